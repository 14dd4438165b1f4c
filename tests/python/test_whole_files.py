"""Files are written whole or not at all, whoever writes and whatever happens meanwhile."""

import os
import resource
import signal
import stat
import subprocess
import sys
import threading

import pytest

import flambeau as torch

FORMATS = ["x.pt", "x.safetensors"]


def value(path):
    """The one number in a file that holds {"a": full((n,), number)}."""
    x = torch.load(path)["a"]
    assert (x == x[0]).all()
    return x[0].item()


def save(number, n, path):
    torch.save({"a": torch.full((n,), float(number))}, path)


@pytest.mark.parametrize("name", FORMATS)
def test_modes_stay(name, tmp_path):
    path = tmp_path / name
    old = os.umask(0o027)
    try:
        save(1, 3, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        for mode in (0o600, 0o666, 0o444):
            path.chmod(mode)
            save(2, 3, path)
            assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(old)


@pytest.mark.parametrize("name", FORMATS)
def test_links(name, tmp_path):
    (tmp_path / "sub").mkdir()
    real = tmp_path / "sub" / name
    first, second = tmp_path / ("first" + name), tmp_path / ("second" + name)
    second.symlink_to("sub/" + name)
    first.symlink_to(second)
    save(1, 3, first)  # what the links show is not there yet
    assert value(real) == 1 and first.is_symlink() and second.is_symlink()
    twin = tmp_path / ("twin" + name)
    os.link(real, twin)
    save(2, 3, first)
    assert value(real) == 2 and value(twin) == 1 and first.is_symlink()
    assert os.listdir(tmp_path / "sub") == [name]
    loop = tmp_path / ("loop" + name)
    loop.symlink_to(loop)
    with pytest.raises(OSError):
        save(1, 3, loop)


def test_long_names_folders_and_pipes(tmp_path):
    save(1, 3, tmp_path / ("n" * 255))
    with pytest.raises(OSError, match="too long"):
        save(1, 3, tmp_path / ("n" * 256))
    with pytest.raises(OSError, match="directory"):
        save(1, 3, tmp_path)
    os.mkfifo(tmp_path / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    save(4, 3, tmp_path / "pipe")
    reader.join()
    (tmp_path / "copy").write_bytes(found[0])
    assert value(tmp_path / "copy") == 4 and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    save(5, 3, "/dev/null")
    assert not stat.S_ISREG(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("name", FORMATS)
def test_no_room(name, tmp_path):
    """A limit on a file's size stands for a full disk."""
    save(1, 3, tmp_path / name)
    (tmp_path / ("link" + name)).symlink_to(name)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, limits[1]))
    try:
        for path in (tmp_path / name, tmp_path / ("link" + name)):
            with pytest.raises(OSError, match="File too large"):
                save(2, 100000, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert value(tmp_path / name) == 1 and len(os.listdir(tmp_path)) == 2
    (tmp_path / ("full" + name)).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        save(2, 3, tmp_path / ("full" + name))


@pytest.mark.parametrize("name", FORMATS)
def test_threads_on_one_path(name, tmp_path):
    path, faults = tmp_path / name, []
    save(0, 10, path)

    def repeat(function):
        try:
            for _ in range(60):
                function()
        except Exception as error:
            faults.append(error)

    threads = [
        threading.Thread(target=repeat, args=(function,))
        for function in (
            lambda: save(1, 20000, path), lambda: save(2, 30000, path), lambda: value(path)
        )  # fmt: skip
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and value(path) in (1, 2) and os.listdir(tmp_path) == [name]


# Forks two writers of one path again and again and kills them anywhere; prints what it finds wrong.
KILLS = """
import os, random, signal, sys, time
import flambeau as torch

path, chance = sys.argv[1], random.Random(3)
contents = [{"a": torch.full((50000,), float(number))} for number in (1, 2)]

def value():
    x = torch.load(path)["a"]
    return x[0].item() if (x == x[0]).all() else "mixed"

def writer(content):
    child = os.fork()
    while child == 0:
        torch.save(content, path)
    return child

for _ in range(50):
    children = [writer(content) for content in contents]
    for child in children:
        time.sleep(chance.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if value() not in (0, 1, 2):
            print("damaged:", value())
"""


@pytest.mark.parametrize("name", FORMATS)
def test_writers_that_are_killed(name, tmp_path):
    """A hundred are: the file is whole each time."""
    path = tmp_path / name
    save(0, 10, path)
    done = subprocess.run(
        [sys.executable, "-c", KILLS, path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert value(path) in (0, 1, 2)
    # A nameless file leaves nothing; only between its naming and the renaming is there a trace.
    assert len(os.listdir(tmp_path)) <= 10
