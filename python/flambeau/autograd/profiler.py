"""Recording calls and ranges of the program with their times (source: torch.autograd.profiler).

Calls are written down in C, ranges of record_function here; both read the monotonic clock, and
count memory where that is asked for. An event lies inside another where its time does: that gives
the time of an event without those inside it.
"""

from enum import Enum
from time import monotonic_ns

from flambeau import _C


class DeviceType(Enum):
    """Where an event ran."""

    CPU, CUDA = 0, 1


class _Recorder:
    """Whether somebody records, memory too, and the ranges so far: (name, start, end, bytes, None, None),
    as a call is written down that has no sizes."""

    active = 0
    memory = False
    ranges = []

    @classmethod
    def now(cls):
        """The time, and the bytes in use where these are asked for."""
        return monotonic_ns(), _C.memory_stats()["allocated"] if cls.memory else 0


def _start(memory=False, shapes=False):
    if _Recorder.active == 0:
        _C._take_profile()
        _Recorder.ranges, _Recorder.memory = [], memory
        _C._profile((2 if memory else 1) + 4 * bool(shapes))
    _Recorder.active += 1


def _stop():
    """The events since the start."""
    _Recorder.active -= 1
    if _Recorder.active == 0:
        _C._profile(0)
    calls = [("aten::" + name, *rest) for name, *rest in _C._take_profile()]
    events = EventList(FunctionEvent(*event) for event in [*calls, *_Recorder.ranges])
    _Recorder.ranges = []
    events.sort(key=lambda event: (event.start, -event.end))
    events._nest()
    events._memory = _Recorder.memory
    return events


class record_function:
    """A context, or a decorator, that is an event in the profile (source:
    torch.profiler.record_function)."""

    def __init__(self, name, args=None):
        self.name, self.args = name, args
        self._starts = []

    def __enter__(self):
        self._starts.append(_Recorder.now() if _Recorder.active else None)
        return self

    def __exit__(self, *exc):
        start = self._starts.pop()
        if start is not None and _Recorder.active:
            end, bytes = _Recorder.now()
            _Recorder.ranges.append((self.name, start[0], end, bytes - start[1], None, None))
        return False

    def __call__(self, function):
        from functools import wraps

        @wraps(function)
        def inside(*args, **kwargs):
            with record_function(self.name):
                return function(*args, **kwargs)

        return inside


class FunctionEvent:
    """One event. Times are in microseconds."""

    device_type = DeviceType.CPU
    device_time_total = self_device_time_total = cuda_time_total = 0
    is_async, count = False, 1

    def __init__(self, name, start, end, bytes, given=None, made=None):
        self.name = self.key = name
        self.input_shapes, self._result_shapes = given or [], made or []
        self.start, self.end = start, end
        self.cpu_memory_usage = self.self_cpu_memory_usage = bytes
        self.inside = 0  # nanoseconds of the events directly inside
        self.cpu_children, self.cpu_parent = [], None

    @property
    def cpu_time_total(self):
        return (self.end - self.start) / 1e3

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self):
        return (self.end - self.start - self.inside) / 1e3

    def __repr__(self):
        return (
            f"<FunctionEvent name={self.name} cpu_time={self.cpu_time_total:.3f}us "
            f"self_cpu_time={self.self_cpu_time_total:.3f}us>"
        )


class FunctionEventAvg:
    """All events of one name."""

    device_type = DeviceType.CPU
    device_time_total = self_device_time_total = cuda_time_total = 0

    def __init__(self, key, input_shapes=None):
        self.key, self.input_shapes = key, input_shapes
        self.count, self.cpu_time_total, self.self_cpu_time_total = 0, 0.0, 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0

    def add(self, event):
        self.count += 1
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.cpu_memory_usage += event.cpu_memory_usage
        self.self_cpu_memory_usage += event.self_cpu_memory_usage
        return self

    @property
    def cpu_time(self):
        return self.cpu_time_total / self.count if self.count else 0.0

    def __repr__(self):
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total:.3f}us "
            f"cpu_time={self.cpu_time:.3f}us count={self.count}>"
        )


def _time(us):
    """A time as people read it."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def _bytes(count):
    """Bytes as people read them."""
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


class EventList(list):
    """Events, or averages of them."""

    _memory = False  # whether bytes were counted
    _shapes = False  # whether sizes of arguments tell entries apart

    def _nest(self):
        """Finds what lies inside what, in a list sorted by start."""
        open_events = []
        for event in self:
            while open_events and open_events[-1].end < event.end:
                open_events.pop()
            if open_events:
                open_events[-1].inside += event.end - event.start
                open_events[-1].self_cpu_memory_usage -= event.cpu_memory_usage
                open_events[-1].cpu_children.append(event)
                event.cpu_parent = open_events[-1]
            open_events.append(event)

    @property
    def self_cpu_time_total(self):
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(self, group_by_input_shapes=False, group_by_stack_n=0, **options):
        """An EventList with one entry a name, or a name and the sizes of its arguments."""
        found = {}
        for event in self:
            sizes = event.input_shapes if group_by_input_shapes else None
            average = found.setdefault((event.key, str(sizes)), FunctionEventAvg(event.key, sizes))
            average.add(event)
        averages = EventList(found.values())
        averages._memory, averages._shapes = self._memory, group_by_input_shapes
        return averages

    def total_average(self):
        total = FunctionEventAvg("Total")
        for event in self:
            total.add(event)
        return total

    def table(
        self,
        sort_by=None,
        row_limit=100,
        max_src_column_width=75,
        max_name_column_width=55,
        max_shapes_column_width=80,
        header=None,
        top_level_events_only=False,
        **options,
    ):
        """The events as a table, the costliest first."""
        rows = list(self)
        if sort_by is not None:
            known = {"cpu_time_total", "self_cpu_time_total", "cpu_time", "count",
                     "cpu_memory_usage", "self_cpu_memory_usage"}
            key = sort_by if sort_by in known else "self_cpu_time_total"
            rows.sort(key=lambda event: getattr(event, key), reverse=True)
        total = self.self_cpu_time_total or 1.0
        names = [event.key[:max_name_column_width] for event in rows[:row_limit]]
        wide = max([4, *map(len, names)])
        heads = ["Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
        heads += ["CPU Mem", "Self CPU Mem"] if self._memory else []
        heads.append("# of Calls")
        sizes = [str(event.input_shapes)[:max_shapes_column_width] for event in rows[:row_limit]]
        widths = [12] * len(heads)
        if self._shapes:
            heads.append("Input Shapes")
            widths.append(max([12, *map(len, sizes)]))
        line = "  ".join(["-" * wide, *("-" * w for w in widths)])
        text = [
            line,
            "  ".join([" " * (wide - 4) + "Name", *(f"{h:>{w}}" for h, w in zip(heads, widths))]),
            line,
        ]
        for name, event, shape in zip(names, rows, sizes):
            cells = (
                f"{100 * event.self_cpu_time_total / total:.2f}%",
                _time(event.self_cpu_time_total),
                f"{100 * event.cpu_time_total / total:.2f}%",
                _time(event.cpu_time_total),
                _time(event.cpu_time),
                *((_bytes(event.cpu_memory_usage), _bytes(event.self_cpu_memory_usage))
                  if self._memory else ()),
                str(event.count),
                *((shape,) if self._shapes else ()),
            )
            padded = (f"{cell:>{w}}" for cell, w in zip(cells, widths))
            text.append("  ".join([f"{name:>{wide}}", *padded]))
        text += [line, f"Self CPU time total: {_time(self.self_cpu_time_total)}", ""]
        return "\n".join(text)

    __str__ = table

    def export_chrome_trace(self, path):
        """Writes a file for chrome://tracing and Perfetto."""
        import json
        import os

        events = [
            {
                "ph": "X",
                "cat": "cpu_op",
                "name": event.name,
                "pid": os.getpid(),
                "tid": 0,
                "ts": event.start / 1e3,
                "dur": (event.end - event.start) / 1e3,
                **({"args": {"Bytes": event.cpu_memory_usage}} if self._memory else {}),
            }
            for event in self
        ]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)


class profile:
    """A context whose calls are recorded (source: torch.autograd.profiler.profile)."""

    def __init__(
        self,
        enabled=True,
        *,
        use_cuda=False,
        use_device=None,
        record_shapes=False,
        profile_memory=False,
        **options,
    ):
        self.enabled, self.profile_memory = enabled, profile_memory
        self.record_shapes = record_shapes
        self.function_events = None

    def __enter__(self):
        if self.enabled:
            _start(self.profile_memory, self.record_shapes)
        return self

    def __exit__(self, *exc):
        if self.enabled:
            self.function_events = _stop()
        return False

    def _events(self):
        if self.function_events is None:
            raise AssertionError("Profiler didn't finish running")
        return self.function_events

    def key_averages(self, *args, **options):
        return self._events().key_averages(*args, **options)

    def total_average(self):
        return self._events().total_average()

    def table(self, *args, **options):
        return self._events().table(*args, **options)

    def export_chrome_trace(self, path):
        self._events().export_chrome_trace(path)

    @property
    def self_cpu_time_total(self):
        return self._events().self_cpu_time_total

    def __str__(self):
        return "<unfinished profiler>" if self.function_events is None else str(self._events())


class _NoMarks:
    """Marks for profilers of other makers: a context that does nothing."""

    def __init__(self, enabled=True, record_shapes=False):
        self.enabled = enabled

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


emit_nvtx = emit_itt = _NoMarks
