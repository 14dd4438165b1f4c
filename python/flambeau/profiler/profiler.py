"""Profiles over steps: when to record, and what to do with what was recorded (source:
torch.profiler.profile)."""

from enum import Enum

from flambeau.autograd import profiler as recorder


class ProfilerActivity(Enum):
    """What may be recorded; the CPU's calls are."""

    CPU, XPU, MTIA, CUDA, HPU, PrivateUse1 = range(6)


class ProfilerAction(Enum):
    """What a step does."""

    NONE, WARMUP, RECORD, RECORD_AND_SAVE = range(4)


def supported_activities():
    return {ProfilerActivity.CPU}


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """A function from a step's number to what it does: after skip_first steps, cycles of wait,
    warmup and active steps, `repeat` of them or without end (source: torch.profiler.schedule)."""
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError("Invalid profiler schedule arguments")
    length = wait + warmup + active

    def action(step):
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        if repeat > 0 and step // length >= repeat:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == length - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


def _always(step):
    return ProfilerAction.RECORD


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False):
    """An on_trace_ready that writes each trace into a folder, as NAME.TIME.pt.trace.json (source:
    torch.profiler.tensorboard_trace_handler)."""
    import os
    import socket
    import time

    name = worker_name or f"{socket.gethostname()}_{os.getpid()}"

    def write(prof):
        os.makedirs(dir_name, exist_ok=True)
        file = f"{name}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(dir_name, file))

    return write


class profile:
    """A context that records the calls of its steps; step() ends one (source:
    torch.profiler.profile).

    activities: CPU is recorded, others are accepted; profile_memory: bytes too, handles and nodes
    included; record_shapes: the sizes of arguments too; schedule: which steps, all without one;
    on_trace_ready: called with the profile when a recorded cycle ends.
    """

    def __init__(
        self,
        *,
        activities=None,
        schedule=None,
        on_trace_ready=None,
        record_shapes=False,
        profile_memory=False,
        with_stack=False,
        with_flops=False,
        with_modules=False,
        experimental_config=None,
        execution_trace_observer=None,
        acc_events=False,
        use_cuda=None,
        custom_trace_id_callback=None,
        **options,
    ):
        self.activities = set(activities) if activities else supported_activities()
        self.schedule, self._scheduled = schedule or _always, schedule is not None
        self.on_trace_ready = on_trace_ready
        self.step_num, self.profile_memory = 0, profile_memory
        self.record_shapes = record_shapes
        self.current_action = self.schedule(0)
        self._events = None
        self._recording = False
        self._range = None

    def _begin(self):
        if self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            if not self._recording:
                recorder._start(self.profile_memory, self.record_shapes)
                self._recording = True
        if self._scheduled:
            self._range = recorder.record_function(f"ProfilerStep#{self.step_num}")
            self._range.__enter__()

    def _end(self, finish):
        if self._range is not None:
            self._range.__exit__()
            self._range = None
        if self._recording and finish:
            self._events = recorder._stop()
            self._recording = False
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def start(self):
        self._begin()

    def stop(self):
        self._end(True)

    def step(self):
        """Ends a step and begins the next."""
        finish = self.current_action is ProfilerAction.RECORD_AND_SAVE
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        self._end(finish)
        self._begin()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()
        return False

    def events(self):
        """The events of the last recorded cycle. AssertionError before there is one."""
        if self._events is None:
            raise AssertionError("Profiler must be initialized before calling events()")
        return self._events

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, **options):
        """An EventList with one entry a name, or a name and the sizes of its arguments; its table() is
        a text."""
        return self.events().key_averages(group_by_input_shape)

    def export_chrome_trace(self, path, use_python_export=False):
        """Writes a file for chrome://tracing and Perfetto; compressed where path ends in .gz."""
        if not path.endswith(".gz"):
            self.events().export_chrome_trace(path)
            return
        import gzip
        import os
        import shutil

        self.events().export_chrome_trace(path[:-3])
        with open(path[:-3], "rb") as plain, gzip.open(path, "wb") as packed:
            shutil.copyfileobj(plain, packed)
        os.remove(path[:-3])

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """NotImplementedError: stacks are not recorded."""
        raise NotImplementedError("Flambeau's profiler records no stacks")

    def add_metadata(self, key, value):
        """Accepted."""

    add_metadata_json = preset_metadata_json = add_metadata

    def toggle_collection_dynamic(self, enable, activities):
        """Accepted."""
