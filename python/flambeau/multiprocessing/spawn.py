"""Starting some processes that run one function, and waiting for all of them (source:
torch.multiprocessing.spawn).

Each process has a pipe for the traceback of an exception that ends it.
"""

import logging
import multiprocessing
import signal
import sys
import time
import warnings
from multiprocessing import connection

from flambeau import _C

log = logging.getLogger(__name__)


class ProcessException(Exception):
    """A started process failed: its index and pid."""

    def __init__(self, msg, error_index, error_pid):
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.error_pid = error_pid

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """It raised an exception, whose traceback is in the text."""


class ProcessExitedException(ProcessException):
    """It was ended by a signal, or left with an exit code."""

    def __init__(self, msg, error_index, error_pid, exit_code, signal_name=None):
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name

    def __reduce__(self):
        return (
            type(self),
            (self.msg, self.error_index, self.error_pid, self.exit_code, self.signal_name),
        )


def _run(function, index, args, errors):
    _C._follow_parent()
    try:
        function(index, *args)
    except KeyboardInterrupt:
        pass  # the parent was interrupted too, and tells
    except Exception:
        import traceback

        errors.send(traceback.format_exc()[-32000:])  # a pipe holds that much unread
        sys.exit(1)


class ProcessContext:
    """The processes that start_processes(join=False) started (source:
    torch.multiprocessing.ProcessContext)."""

    def __init__(self, processes, errors):
        self.processes = processes
        self._errors = errors
        self.sentinels = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self):
        """The processes' ids."""
        return [process.pid for process in self.processes]

    def _join_within(self, seconds):
        end = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0, end - time.monotonic()))

    def join(self, timeout=None, grace_period=None):
        """Waits until a process ends, at most `timeout` seconds; True when all have ended well.
        Where one fails, the others are stopped (after `grace_period` seconds, if given) and a
        ProcessRaisedException or ProcessExitedException is raised."""
        if not self.sentinels:
            return True
        for sentinel in connection.wait(self.sentinels.keys(), timeout):
            index = self.sentinels.pop(sentinel)
            process = self.processes[index]
            process.join()
            if process.exitcode != 0:
                self._stop(grace_period)
                self._raise(index, process)
        return not self.sentinels

    def _stop(self, grace_period):
        if grace_period is not None:
            self._join_within(grace_period)
        for process in self.processes:
            if process.is_alive():
                log.warning("Terminating process %s via signal SIGTERM", process.pid)
                process.terminate()
        self._join_within(30 if grace_period is None else grace_period)
        for process in self.processes:
            if process.is_alive():
                log.warning(
                    "Unable to shutdown process %s via SIGTERM , forcefully exiting via SIGKILL",
                    process.pid,
                )
                process.kill()
            process.join()

    def _raise(self, index, process):
        try:
            trace = self._errors[index].recv() if self._errors[index].poll() else None
        except EOFError:
            trace = None
        if trace is not None:
            raise ProcessRaisedException(
                f"\n\n-- Process {index} terminated with the following error:\n{trace}",
                index,
                process.pid,
            )
        code = process.exitcode
        if code >= 0:
            raise ProcessExitedException(
                f"process {index} terminated with exit code {code}", index, process.pid, code
            )
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"<Unknown signal {-code}>"
        raise ProcessExitedException(
            f"process {index} terminated with signal {name}", index, process.pid, code, name
        )


class SpawnContext(ProcessContext):
    """The old name of ProcessContext."""

    def __init__(self, processes, errors):
        warnings.warn(
            "SpawnContext is renamed to ProcessContext since 1.4 release.", stacklevel=2
        )
        super().__init__(processes, errors)


def start_processes(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Runs fn(i, *args) in nprocs processes (source: torch.multiprocessing.start_processes).
    Returns a ProcessContext, or None where `join` waited for all of them."""
    started = multiprocessing.get_context(start_method)
    processes, errors = [], []
    for i in range(nprocs):
        reader, writer = started.Pipe(duplex=False)
        process = started.Process(target=_run, args=(fn, i, args, writer), daemon=daemon)
        process.start()
        writer.close()
        processes.append(process)
        errors.append(reader)
    running = ProcessContext(processes, errors)
    if not join:
        return running
    while not running.join():
        pass


def spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """start_processes by the start method "spawn" (source: torch.multiprocessing.spawn)."""
    if start_method != "spawn":
        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}).\n"
            "To use a different start_method use:\n\t\t"
            " torch.multiprocessing.start_processes(...)",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
