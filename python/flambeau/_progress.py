"""flambeau.progress: shows how far a loop is."""

import sys
from time import monotonic


class progress:
    """Iterates over something and shows how far it is, on standard error: as a bar that is drawn
    again and again on a terminal, as a plain line at each tenth elsewhere.

    text: what stands before; total: how many items there are, where len() does not say; file: where
    it is shown; every: least seconds between two drawings of the bar. note(loss=0.5) shows values
    behind it.
    """

    def __init__(self, iterable, text="", total=None, file=None, every=0.1):
        self._items, self._text, self._file = iterable, text, file or sys.stderr
        self._total = total if total is not None else _length(iterable)
        self._every, self._notes = every, {}
        self._terminal = getattr(self._file, "isatty", bool)()
        self._drawn = 0  # characters of the last bar

    def __len__(self):
        if self._total is None:
            raise TypeError("the length is not known")
        return self._total

    def note(self, **values):
        """Shows values behind the bar from now on."""
        self._notes.update(values)

    def __iter__(self):
        self._start, last, done, tenth = monotonic(), float("-inf"), 0, 0
        try:
            for item in self._items:
                if self._terminal and monotonic() - last >= self._every:
                    self._draw(done)
                    last = monotonic()
                yield item
                done += 1
                if not self._terminal and self._total and done * 10 // self._total > tenth:
                    tenth = done * 10 // self._total
                    self._file.write(self._line(done) + "\n")
        finally:
            if self._terminal:
                self._draw(done)
                self._file.write("\n")
            elif not self._total:
                self._file.write(self._line(done) + "\n")
            self._file.flush()

    def _line(self, done):
        """How far, without the bar."""
        spent = monotonic() - self._start
        parts = [self._text] if self._text else []
        if self._total:
            parts.append(f"{100 * done // self._total:3d} % {done}/{self._total}")
            rest = spent / done * (self._total - done) if done else 0
            parts.append(f"{_clock(spent)}, {_clock(rest)} left")
        else:
            parts.append(f"{done} in {_clock(spent)}")
        for name, value in self._notes.items():
            parts.append(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}")
        return "  ".join(parts)

    def _draw(self, done):
        line = self._line(done)
        if self._total:
            full = min(20, 20 * done // self._total)
            line = f"[{'=' * full}{' ' * (20 - full)}] {line}"
        self._file.write("\r" + line + " " * max(0, self._drawn - len(line)))
        self._file.flush()
        self._drawn = len(line)


def _length(iterable):
    try:
        return len(iterable)
    except TypeError:
        return None


def _clock(seconds):
    """A duration as minutes and seconds."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
