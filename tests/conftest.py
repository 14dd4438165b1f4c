"""In CI (FLAMBEAU_CI) a skipped test is a failure, unless permitted_skips.txt names its reason: what a
machine lacks without anyone noticing is not tested at all."""
import os
import pathlib
import threading
import time

PERMITTED = pathlib.Path(__file__).with_name("permitted_skips.txt")
_refused = {}


def _wait_for_other_threads():
    """Until no other thread of this process runs, at most a second. AddressSanitizer's allocator (GCC 12)
    stays locked in a child when a thread, one that is ending for one, held its lock at the fork."""
    this, until = str(threading.get_native_id()), time.monotonic() + 1
    tasks = pathlib.Path("/proc/self/task")
    while time.monotonic() < until and any(
            _runs(task) for task in tasks.iterdir() if task.name != this):
        time.sleep(0.001)


def _runs(task):
    try:
        return (task / "stat").read_text().rpartition(") ")[2][0] == "R"
    except OSError:  # it has ended meanwhile
        return False


if os.environ.get("FLAMBEAU_SANITIZED"):
    os.register_at_fork(before=_wait_for_other_threads)


def permitted():
    lines = PERMITTED.read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def pytest_runtest_logreport(report):
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("FLAMBEAU_CI"):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if not any(reason.startswith(line) for line in permitted()):
            _refused.setdefault(reason, []).append(report.nodeid)


pytest_collectreport = pytest_runtest_logreport


def pytest_sessionfinish(session):
    if _refused and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    for reason, tests in _refused.items():
        terminalreporter.write_line(
            f"FAILED: {len(tests)} skipped, which CI does not permit ({reason}): {tests[0]}")
