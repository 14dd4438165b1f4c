"""Segments that go back and forth: a worker fills one, the loader lends it to the program as a
tensor, and when the program has dropped that, the worker fills it again. Making, mapping and
dropping memory for each batch would cost more than filling it.

A segment has a number, which its worker gives and never gives again. Both ends keep a holder (a
tensor without elements) for each number they know, and count how often the segment was sent. The
loader says that a segment is back when the holder is all that is left of it, and how often it has
come: the worker believes it only if it was not sent since. A segment that a forked process or a
queue may have got is never filled again: the loader says it is gone, the worker forgets the number
and says so, and then the loader does.
"""

from collections import deque
from os import fstat

from flambeau import _C

_PAGE = 4096
_MOST = 64  # numbers that a worker keeps
_SPARE = 4 << 20  # bytes that lie free in a worker, beside twice what a message takes
_LOOK = 16  # segments that the loader looks at for each task


def _pages(size):
    return -(-size // _PAGE)


class Filler:
    """The worker's end."""

    def __init__(self):
        self.holders = {}  # number -> holder, oldest first
        self.numbers = {}  # storage key -> number
        self.sent = {}  # number -> how often
        self.free = {}  # pages -> [number, ...]
        self.spare = 0  # pages in these lists
        self.taken = []  # [(number, pages)] since the last message
        self.forgotten = []  # numbers that the loader still has to forget
        self.last = self.next = 0

    def take(self, size):
        """The holder of a free segment of that size, or None."""
        pages = _pages(size)
        ready = self.free.get(pages)
        while ready:
            number = ready.pop()
            self.spare -= pages
            holder = self.holders.get(number)
            if holder is None:
                continue
            if _C._users_of_shared(holder) == 1:
                self.taken.append((number, pages))
                return holder
            self.forget(number)
        return None

    def number_of(self, tensor):
        """(number, whether the loader has yet to get its descriptor) of a tensor in shared memory.
        It counts as sent."""
        key = tensor._storage_key()
        number = self.numbers.get(key)
        new = number is None
        if not new:  # it becomes the youngest
            self.holders[number] = self.holders.pop(number)
        else:
            number, self.next = self.next, self.next + 1
            self.holders[number] = _C._hold_shared(tensor)
            self.numbers[key] = number
            self.sent[number] = 0
        self.sent[number] += 1
        return number, new

    def settle(self, used):
        """After a message: `used` is {number: bytes} of its segments. What was taken and not sent
        is free again; the oldest beyond measure are forgotten."""
        taken, self.taken = self.taken, []
        for number, pages in taken:
            if number not in used:
                self._put(number, pages)
        for number in used:
            _C._close_shared(self.holders[number])
        self.last = sum(_pages(size) for size in used.values())
        while len(self.holders) > _MOST + len(used):
            self.forget(next(iter(self.holders)))

    def come_back(self, released, gone):
        """What the loader tells with a task: [(number, how often it came, bytes)], [number]."""
        for number, times, size in released:
            if self.sent.get(number) == times:
                self._put(number, _pages(size))
        for number in gone:
            self.forget(number)

    def _put(self, number, pages):
        if self.spare + pages > _SPARE // _PAGE + 2 * self.last:
            self.forget(number)
        else:
            self.spare += pages
            self.free.setdefault(pages, []).append(number)

    def forget(self, number):
        """The segment goes when whoever else uses it has done with it."""
        holder = self.holders.pop(number, None)
        if holder is not None:
            del self.numbers[holder._storage_key()], self.sent[number]
            self.forgotten.append(number)

    def undo(self, number, new):
        """A message with this segment could not be made."""
        if new:
            self.forget(number)
            self.forgotten.remove(number)
        else:
            self.sent[number] -= 1


class Lender:
    """The loader's end."""

    def __init__(self):
        self.holders = {}  # number -> holder
        self.came = {}  # number -> how often
        self.lent = deque()  # to look at in turn
        self.out = set()  # the same
        self.pinned = set()

    def lend(self, number, descriptor, parts):
        """A tensor on segment `number`, which came with a descriptor (else -1)."""
        size, *shape = parts
        if descriptor >= 0:  # all of it: what comes in it next may be larger
            room = fstat(descriptor).st_size
            whole = _C._open_shared(descriptor, room, False, _C.uint8, (0,), (1,), 0)
            self.holders[number] = whole
            self.came[number] = 0
        if number not in self.out:
            self.out.add(number)
            self.lent.append(number)
        self.came[number] += 1
        return _C._lend_shared(self.holders[number], size, *shape)

    def back(self):
        """(released, gone), for Filler.come_back."""
        released, gone = [], []
        for _ in range(min(len(self.lent), _LOOK)):
            number = self.lent.popleft()
            holder = self.holders.get(number)
            if holder is None:
                self.out.discard(number)
                continue
            users = _C._users_of_shared(holder)
            if users > 1 and number not in self.pinned:
                self.lent.append(number)
                continue
            self.out.discard(number)
            if users == 1 and number not in self.pinned:
                released.append((number, self.came[number], holder._storage_bytes().numel()))
            else:
                gone.append(number)
        return released, gone

    def forget(self, numbers):
        """The worker will not send these again."""
        for number in numbers:
            self.holders.pop(number, None)
            self.came.pop(number, None)
            self.pinned.discard(number)

    def pin(self):
        """What is lent now is never to be filled again."""
        self.pinned |= self.out
