"""A connection between a loader and one of its worker processes: pickled messages over a pair of
sockets, tensors beside them as descriptors of their memory.

A message is a header (length, number of descriptors), the pickles of a key, of notes about segments
and of what it carries, and the descriptors, which travel with the first byte. The worker's end
waits. The loader's end never does: it keeps what the socket
does not take and what has not come whole, so that neither a worker that stops in the middle of a
message nor two full sockets can hold it up.
"""

import io
import os
import pickle
import select
import socket
import struct
import weakref
from array import array
from multiprocessing.reduction import ForkingPickler

from flambeau import _C
from flambeau._utils import ExceptionWrapper
from flambeau.multiprocessing.reductions import check_sendable, shape_of
from flambeau.utils.data._utils.segments import Lender

_HEADER = struct.Struct("<QI")
_RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)
_MOST_DESCRIPTORS = 250  # a message takes 253
_PIECE = 1 << 18

# Of the message being unpickled: the descriptors that came with it, and who makes tensors of them.
_arrived, _lender = [], None


class _Packer(ForkingPickler):
    """Puts tensors beside the pickle, in segments of a Filler's."""

    def __init__(self, file, filler=None):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.filler = filler
        self.tensors, self.descriptors = [], []
        self.used, self.counted = {}, []

    def reducer_override(self, obj):
        if type(obj) is not _C.Tensor or len(self.descriptors) == _MOST_DESCRIPTORS:
            return NotImplemented
        check_sendable(obj)
        needs, obj = obj.requires_grad, self._shared(obj.detach())
        number, new = self.filler.number_of(obj)
        self.counted.append((number, new))
        self.tensors.append(obj)
        which = -1
        if new:
            which = len(self.descriptors)
            self.descriptors.append(_C._share(obj)[0])
        size = self.used[number] = obj._storage_bytes().numel()
        return _open_arrived, (which, number, (size, *shape_of(obj)), needs)

    def _shared(self, obj):
        """The tensor in shared memory, or a copy of it there."""
        if obj.is_shared():
            return obj
        if obj.is_contiguous():
            holder = self.filler.take(obj.nbytes)
            if holder is not None:
                shape = (obj.dtype, tuple(obj.shape), obj.stride(), 0)
                return _C._lend_shared(holder, obj.nbytes, *shape).copy_(obj)
        if 2 * obj.nbytes < obj._storage_bytes().numel():
            obj = obj.clone()  # of a view of much more, such as a whole dataset, its own elements
        return obj.share_memory_()


def _open_arrived(which, number, parts, needs):
    descriptor = -1
    if which >= 0:
        descriptor, _arrived[which] = _arrived[which], -1
    tensor = _lender.lend(number, descriptor, parts)
    return tensor.requires_grad_() if needs else tensor


def _pack(packer, file, key, notes, content):
    """The message as bytes; its descriptors are in the packer, which must live until it is sent."""
    file.write(bytes(_HEADER.size))
    for part in (key, notes, content):
        packer.dump(part)
    data = file.getbuffer()
    _HEADER.pack_into(data, 0, len(data) - _HEADER.size, len(packer.descriptors))
    return data


def _unpack(data, descriptors, lender):
    """(key, notes, content); an ExceptionWrapper for a content that cannot be rebuilt here."""
    global _arrived, _lender
    before = _arrived, _lender
    _arrived, _lender = list(descriptors), lender
    unpacker = pickle.Unpickler(io.BytesIO(data))
    try:
        key, notes = unpacker.load(), unpacker.load()
        try:
            return key, notes, unpacker.load()
        except Exception:
            where = "when a batch came from its DataLoader worker"
            return key, notes, ExceptionWrapper(where=where)
    finally:
        for descriptor in _arrived:
            if descriptor >= 0:
                os.close(descriptor)
        _arrived, _lender = before


# ---- The worker's end ----------------------------------------------------------------------------


def send(connection, filler, key, content):
    """Sends a batch; waits until the socket has taken it."""
    file = io.BytesIO()
    packer = _Packer(file, filler)
    forgotten, filler.forgotten = filler.forgotten, []
    try:
        data = _pack(packer, file, key, forgotten, content)
    except BaseException:
        filler.forgotten = forgotten + filler.forgotten
        for number, new in reversed(packer.counted):
            filler.undo(number, new)
        filler.settle({})
        raise
    ancillary = [(*_RIGHTS, array("i", packer.descriptors))] if packer.descriptors else []
    sent = connection.sendmsg([data], ancillary)
    while sent < len(data):
        sent += connection.send(data[sent:])
    packer.tensors.clear()
    filler.settle(packer.used)


def receive(connection, filler):
    """The next (key, indices); None when the loader has gone."""
    header = _read(connection, _HEADER.size)
    data = header and _read(connection, _HEADER.unpack(header)[0])
    if not data:
        return None
    key, back, indices = _unpack(data, (), None)
    filler.come_back(*back)
    return key, indices


def _read(connection, size):
    data = bytearray()
    while len(data) < size:
        try:
            piece = connection.recv(size - len(data))
        except OSError:
            piece = b""
        if not piece:
            return None
        data += piece
    return data


# ---- The loader's end ----------------------------------------------------------------------------

_ends = weakref.WeakSet()


class Channel:
    """The loader's end."""

    def __init__(self):
        self.socket, self.worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.outgoing = bytearray()
        self.incoming = bytearray()
        self.descriptors = []
        self.lender = Lender()
        self.closed = False
        _ends.add(self)

    def fileno(self):
        return self.socket.fileno()

    def send(self, key, indices):
        """Sends a task, now or in flush()."""
        file = io.BytesIO()
        packer = ForkingPickler(file, pickle.HIGHEST_PROTOCOL)
        packer.descriptors = ()
        self.outgoing += _pack(packer, file, key, self.lender.back(), indices)
        self.flush()

    def flush(self):
        """Sends on what is left over."""
        while self.outgoing:
            try:
                del self.outgoing[: self.socket.send(self.outgoing)]
            except BlockingIOError:
                return
            except OSError:  # the worker has gone, as receive will find
                self.outgoing.clear()

    @property
    def events(self):
        """What to poll for."""
        return select.POLLIN | (select.POLLOUT if self.outgoing else 0)

    def receive(self):
        """The (key, content) that have come whole; `closed` tells that no more will come."""
        while True:
            try:
                data, ancillary, flags, _ = self.socket.recvmsg(
                    _PIECE, socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS)
                )
            except BlockingIOError:
                break
            except OSError:
                data, ancillary, flags = b"", (), 0
            for _, _, found in ancillary:
                numbers = array("i")
                numbers.frombytes(found[: len(found) - len(found) % numbers.itemsize])
                self.descriptors += numbers
            if flags & socket.MSG_CTRUNC:
                raise RuntimeError(
                    "Too many open files. Communication with the workers is no longer possible. "
                    "Please increase the limit using `ulimit -n` in the shell."
                )
            self.incoming += data
            if not data:
                self.closed = True
                break
        return self._messages()

    def _messages(self):
        found = []
        while len(self.incoming) >= _HEADER.size:
            size, count = _HEADER.unpack_from(self.incoming)
            end = _HEADER.size + size
            if len(self.incoming) < end:
                break
            data = bytes(memoryview(self.incoming)[_HEADER.size : end])
            del self.incoming[:end]
            descriptors, self.descriptors = self.descriptors[:count], self.descriptors[count:]
            key, forgotten, content = _unpack(data, descriptors, self.lender)
            self.lender.forget(forgotten)
            found.append((key, content))
        return found

    def close(self):
        """The worker sees the end of its tasks."""
        self.socket.close()
        self.worker_end.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


def _pin_all():
    """A forked process keeps what it has of the segments that are lent."""
    for end in list(_ends):
        end.lender.pin()


def _forget_ends():
    """A forked process must not hold the loader's ends: workers would not see the loader go."""
    for end in list(_ends):
        end.socket.close()


os.register_at_fork(before=_pin_all, after_in_child=_forget_ends)
