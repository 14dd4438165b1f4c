"""Crews: the workers of one iterator, processes or threads, behind one set of methods.

    start(i)            worker i, or another in its place
    send(i, key, indices)
    wait(seconds)       what has come by then: [(i, key, batch)], or (i, LOST, why) for a worker
                        that has ended; None waits as long as it takes
    stop()
"""

import os
import queue
import re
import select
import signal
import sys
import threading
import time
import warnings

from flambeau import _C
from flambeau.utils.data._utils import info
from flambeau.utils.data._utils.channel import Channel, receive, send
from flambeau.utils.data._utils.segments import Filler
from flambeau.utils.data._utils.worker import serve

LOST = object()
_DUMP_SIGNAL = signal.SIGRTMAX - 2
_GRACE = 5.0  # seconds that workers have to end by themselves
_DUMP_GRACE = 10.0  # seconds that a worker has to say where it is: a loaded machine may be slow
_LINE_GRACE = 0.5  # and between two lines of that


def _process_main(connection, job, worker_id, dumps):
    """A worker process. Ctrl-C is its parent's business, whose end it does not outlive."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    _C._follow_parent()
    _C.set_num_threads(1)
    if dumps:
        import faulthandler

        faulthandler.register(_DUMP_SIGNAL, connection.fileno(), all_threads=False)
    filler = info.filler = Filler()
    serve(
        job,
        worker_id,
        "multiprocessing",
        lambda: receive(connection, filler),
        lambda key, content: send(connection, filler, key, content),
    )


class ProcessCrew:
    """Worker processes. `dumps`: they can be asked where they are (traceback)."""

    def __init__(self, context, job, dumps):
        self.context, self.job, self.dumps = context, job, dumps
        self.pid = os.getpid()
        self.processes = [None] * job.num_workers
        self.channels = [None] * job.num_workers

    def start(self, i):
        channel = Channel()
        process = self.context.Process(
            target=_process_main, args=(channel.worker_end, self.job, i, self.dumps), daemon=True
        )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            process.start()
        except Exception as error:
            channel.close()
            if type(error).__name__ in ("PicklingError", "TypeError", "AttributeError"):
                warnings.warn(
                    "Got pickle error when attempting to start a worker Process. This might be "
                    "because the worker Process arguments are not picklable. Python 3.14+ changed "
                    "the multiprocessing start method in non-Mac POSIX platforms to 'forkserver', "
                    "which requires the worker Process arguments to be picklable. You can also "
                    "try multiprocessing.set_start_method('fork').",
                    stacklevel=6,
                )
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        channel.worker_end.close()
        self.processes[i], self.channels[i] = process, channel

    def send(self, i, key, indices):
        self.channels[i].send(key, indices)

    def wait(self, seconds):
        poll = select.poll()
        places = {}
        for i, channel in enumerate(self.channels):
            if channel is not None and not channel.closed:
                places[channel.fileno()] = i
                poll.register(channel, channel.events)
        if not places:
            raise RuntimeError("DataLoader: all workers have ended")
        found = []
        for descriptor, event in poll.poll(None if seconds is None else 1000 * seconds):
            i = places[descriptor]
            channel = self.channels[i]
            if event & select.POLLOUT:
                channel.flush()
            if event & ~select.POLLOUT:
                found += [(i, key, content) for key, content in channel.receive()]
                if channel.closed:
                    found.append((i, LOST, self._obituary(i)))
        return found

    def _obituary(self, i):
        """Ends what is left of a worker whose socket is closed; (its pid, why it ended)."""
        process = self.processes[i]
        process.join(_GRACE)
        if process.exitcode is None:
            process.kill()
            process.join()
        self.channels[i].close()
        pid, code = process.pid, process.exitcode
        if code >= 0:
            return pid, (
                f"DataLoader worker (pid {pid}) exited unexpectedly with exit code {code}. "
                "Details are lost due to multiprocessing. Rerunning with num_workers=0 may give "
                "better error trace."
            )
        name = signal.strsignal(-code) or f"signal {-code}"
        why = f"DataLoader worker (pid {pid}) is killed by signal: {name}. "
        if -code == signal.SIGBUS:
            why += (
                "It is possible that dataloader's workers are out of shared memory. "
                "Please try to raise your shared memory limit."
            )
        return pid, why

    def traceback(self, i):
        """Where a worker is that does not answer, as text; "" when it does not say. It must be
        ended afterwards: the text comes through its socket."""
        process, channel = self.processes[i], self.channels[i]
        os.kill(process.pid, _DUMP_SIGNAL)
        end = time.monotonic() + _DUMP_GRACE
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        frames = []
        # The lines come one by one, the innermost first, and nothing says which is the last.
        while not channel.closed and poll.poll(
            1000 * _LINE_GRACE if frames else max(0, 1000 * (end - time.monotonic()))
        ):
            channel.receive()
            text = channel.incoming.decode(errors="replace")
            frames = re.findall(r'^  (File ".*)\n', text, re.MULTILINE)
        return "".join(f"\n  {frame}" for frame in reversed(frames))

    def end(self, i):
        """Ends a worker at once."""
        self.processes[i].kill()
        self.processes[i].join()
        self.channels[i].close()

    def stop(self):
        """Ends all workers: as they do when their tasks end, and after a grace by force."""
        if os.getpid() != self.pid:
            return
        for channel in self.channels:
            if channel is not None:
                channel.close()
        started = [process for process in self.processes if process is not None]
        limit = time.monotonic() + _GRACE
        for ask, patience in ((None, limit), ("terminate", limit + 1), ("kill", limit + 60)):
            for process in started:
                if ask and process.is_alive():
                    getattr(process, ask)()
            for process in started:
                process.join(max(0, patience - time.monotonic()))
            started = [process for process in started if process.is_alive()]


class ThreadCrew:
    """Worker threads of this process: for datasets that let other threads run, as reading files,
    decoding and large NumPy operations do."""

    def __init__(self, job):
        self.job = job
        self.inboxes = [None] * job.num_workers
        self.threads = [None] * job.num_workers
        self.outbox = queue.SimpleQueue()

    def start(self, i):
        inbox, outbox = queue.SimpleQueue(), self.outbox
        self.inboxes[i] = inbox
        self.threads[i] = threading.Thread(
            target=serve,
            args=(self.job, i, "thread", inbox.get, lambda *answer: outbox.put((i, *answer))),
            name=f"DataLoader worker {i}",
            daemon=True,
        )
        self.threads[i].start()

    def send(self, i, key, indices):
        self.inboxes[i].put((key, indices))

    def wait(self, seconds):
        try:
            return [self.outbox.get(timeout=seconds)]
        except queue.Empty:
            return []

    def traceback(self, i):
        """Where a worker is that does not answer, as text."""
        import traceback

        frame = sys._current_frames().get(self.threads[i].ident)
        lines = traceback.format_stack(frame) if frame else []
        return "".join("\n" + line.rstrip() for line in lines)

    def end(self, i):
        """Leaves a worker to itself: it ends when it next asks for a task."""
        self.inboxes[i].put(None)

    def stop(self):
        for inbox in self.inboxes:
            if inbox is not None:
                inbox.put(None)
        for thread in self.threads:
            if thread is not None and thread is not threading.current_thread():
                thread.join(_GRACE)
