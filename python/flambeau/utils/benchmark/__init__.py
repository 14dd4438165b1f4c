"""Timing of statements (source: torch.utils.benchmark): Timer runs one, Measurement holds the
times, Compare prints several as a table."""

import itertools
import statistics
import timeit

import flambeau
from flambeau import _C

__all__ = ["Compare", "Language", "Measurement", "TaskSpec", "Timer", "timer"]

timer = timeit.default_timer
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


class Language:
    """What a statement is written in: Python alone is run."""

    PYTHON = 0
    CPP = 1


class TaskSpec:
    """What was measured."""

    def __init__(
        self,
        stmt,
        setup="",
        global_setup="",
        label=None,
        sub_label=None,
        description=None,
        env=None,
        num_threads=1,
    ):
        self.stmt, self.setup, self.global_setup = stmt, setup, global_setup
        self.label, self.sub_label, self.description = label, sub_label, description
        self.env, self.num_threads = env, num_threads

    @property
    def title(self):
        """The label, or the statement."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt

    def summarize(self):
        """Title, description and setup, as a Measurement prints them."""
        lines = [self.title]
        if self.description:
            lines.append(self.description)
        if self.setup:
            lines.append("setup:\n" + "\n".join("  " + line for line in self.setup.splitlines()))
        return "\n".join(lines)


def _unit(seconds):
    for scale, name in _UNITS:
        if seconds >= scale:
            return scale, name
    return _UNITS[-1]


class Measurement:
    """Times of a statement, in seconds.

    number_per_run: how often it ran for each of raw_times; times: seconds a run of it.
    """

    def __init__(self, number_per_run, raw_times, task_spec, metadata=None):
        self.number_per_run, self.raw_times = number_per_run, list(raw_times)
        self.task_spec, self.metadata = task_spec, metadata

    times = property(lambda self: [t / self.number_per_run for t in self.raw_times])
    mean = property(lambda self: statistics.fmean(self.times))
    median = property(lambda self: statistics.median(self.times))
    title = property(lambda self: self.task_spec.title)
    stmt = property(lambda self: self.task_spec.stmt)
    num_threads = property(lambda self: self.task_spec.num_threads)
    description = property(lambda self: self.task_spec.description)

    @property
    def iqr(self):
        """The distance between the quartiles."""
        if len(self.times) < 2:
            return 0.0
        first, _, third = statistics.quantiles(self.times, n=4, method="inclusive")
        return third - first

    @property
    def has_warnings(self):
        """Whether the times scatter: quartiles more than a tenth of the median apart."""
        return self.iqr > 0.1 * self.median

    def __repr__(self):
        scale, unit = _unit(self.median)
        many = len(self.times) > 1
        lines = [object.__repr__(self), self.task_spec.summarize()]
        lines.append(f"  {'Median: ' if many else ''}{self.median / scale:.2f} {unit}")
        if many and len(self.times) > 3:
            lines.append(f"  IQR:    {self.iqr / scale:.2f} {unit}")
        count = len(self.times)
        runs = f"{self.number_per_run} runs {'per measurement' if many else ''}, "
        threads = f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"
        lines.append(f"  {count} measurement{'s' if many else ''}, {runs}{threads}")
        return "\n".join(lines)

    @staticmethod
    def merge(measurements):
        """The measurements of one task as one, a list with one for each task."""
        groups = {}
        for m in measurements:
            key = tuple(vars(m.task_spec).values()), m.number_per_run
            groups.setdefault(key, []).append(m)
        return [
            Measurement(
                group[0].number_per_run,
                itertools.chain(*(m.raw_times for m in group)),
                group[0].task_spec,
            )
            for group in groups.values()
        ]


class Timer:
    """Runs a statement after its setup, with num_threads threads, and measures how long it takes.
    """

    def __init__(
        self,
        stmt="pass",
        setup="pass",
        global_setup="",
        timer=timer,
        globals=None,
        label=None,
        sub_label=None,
        description=None,
        env=None,
        num_threads=1,
        language=Language.PYTHON,
    ):
        if language not in (Language.PYTHON, "python", "py"):
            raise NotImplementedError("Timer runs statements of Python alone")
        self._timer = timeit.Timer(stmt, setup, timer, {"torch": flambeau, **(globals or {})})
        self._task = TaskSpec(
            stmt,
            "" if setup == "pass" else setup,
            global_setup,
            label,
            sub_label,
            description,
            env,
            num_threads,
        )

    def _time(self, number):
        """Seconds for `number` runs, at least a nanosecond."""
        before = _C.get_num_threads()
        _C.set_num_threads(self._task.num_threads)
        try:
            return max(self._timer.timeit(number), 1e-9)
        finally:
            _C.set_num_threads(before)

    def timeit(self, number=1000000):
        """A Measurement of one time, of `number` runs, after a hundredth as many to warm up."""
        self._time(max(number // 100, 2))
        return Measurement(number, [self._time(number)], self._task)

    def _block_size(self, least):
        """So many runs that the clock's reading does not count: at least a thousandth of `least`
        seconds."""
        number = 1
        while True:
            took = self._time(number)
            if took > least / 1000 and (number > 1 or took > 1e-4):
                return number
            number *= 10

    def blocked_autorange(self, callback=None, min_run_time=0.2):
        """A Measurement of as many times as fill min_run_time seconds."""
        number, times, total = self._block_size(min_run_time), [], 0.0
        while total < min_run_time or not times:
            took = self._time(number)
            times.append(took)
            total += took
            if callback is not None:
                callback(number, took)
        return Measurement(number, times, self._task)

    def adaptive_autorange(
        self, threshold=0.1, *, min_run_time=0.01, max_run_time=10.0, callback=None
    ):
        """Measures until the quartiles are within threshold of the median, or max_run_time has
        passed."""
        number, times, total = self._block_size(min_run_time), [], 0.0
        while total < max_run_time:
            took = self._time(number)
            times.append(took)
            total += took
            if callback is not None:
                callback(number, took)
            made = Measurement(number, times, self._task)
            if total >= min_run_time and len(times) > 3 and made.iqr < threshold * made.median:
                break
        return Measurement(number, times, self._task)


class Compare:
    """Measurements as a table: a row for each statement or sub-label, a column for each
    description."""

    def __init__(self, results):
        self._results = []
        self.extend_results(results)

    def extend_results(self, results):
        for result in results:
            if not isinstance(result, Measurement):
                raise ValueError(
                    "Expected an instance of `Measurement`, "
                    f"got {type(result)} instead."
                )
        self._results.extend(results)

    def trim_significant_figures(self):
        """Accepted: three digits are shown."""

    def colorize(self, rowwise=False):
        """Accepted: the table is plain."""

    highlight_warnings = trim_significant_figures

    def __str__(self):
        results = Measurement.merge(self._results)
        columns = list(dict.fromkeys(m.description or "" for m in results))
        scale, unit = _unit(min((m.median for m in results), default=1.0))
        rows = {}
        for m in results:
            spec = m.task_spec
            name = spec.sub_label or spec.stmt
            rows.setdefault((spec.label or "", m.num_threads, name), {})[m.description or ""] = m
        width = max([len(name) for _, _, name in rows], default=0) + 6
        widths = [max(len(c), 8) for c in columns]
        lines, last = [], None
        for (label, threads, name), cells in rows.items():
            if last is None or last[0] != label:
                lines.append(f"[{label:-^{width + sum(widths) + 3 * len(widths)}}]")
                heads = (f"{c:^{w}}" for c, w in zip(columns, widths))
                lines.append(" " * width + "|  " + "  |  ".join(heads))
            if last != (label, threads):
                lines.append(f"{threads} threads: ".ljust(width + sum(widths) + 5 * len(widths), "-"))
            last = label, threads
            shown = (
                f"{cells[c].median / scale:>{w}.3g}" if c in cells else " " * w
                for c, w in zip(columns, widths)
            )
            lines.append(f"      {name:<{width - 6}}|  " + "  |  ".join(shown))
        names = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
        return "\n".join([*lines, "", f"Times are in {names[unit]} ({unit})."])

    def print(self):
        """Prints the table."""
        print(self)
