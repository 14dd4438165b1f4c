"""A connection between a loader and one of its worker processes: pickled messages over a pair of
sockets, tensors beside them as descriptors of their memory.

A message is a header (length, number of descriptors), the pickles of a key and of what it carries,
and the descriptors, which travel with the first byte. The worker's end waits. The loader's end never does: it keeps what the socket
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
from flambeau.multiprocessing.reductions import open_parts, shared_parts

_HEADER = struct.Struct("<QI")
_RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)
_MOST_DESCRIPTORS = 250  # a message takes 253
_PIECE = 1 << 18

# Descriptors that came with the message being unpickled.
_arrived = []


class _Packer(ForkingPickler):
    """Puts tensors beside the pickle."""

    def __init__(self, file):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.tensors, self.descriptors = [], []

    def reducer_override(self, obj):
        if type(obj) is not _C.Tensor or len(self.descriptors) == _MOST_DESCRIPTORS:
            return NotImplemented
        if 2 * obj.nbytes < obj._storage_bytes().numel() and not obj.requires_grad:
            obj = obj.clone()  # of a view of much more, such as a whole dataset, its own elements
        descriptor, parts, needs = shared_parts(obj)
        self.tensors.append(obj)
        self.descriptors.append(descriptor)
        return _open_arrived, (len(self.descriptors) - 1, parts, needs)


def _open_arrived(which, parts, needs):
    descriptor, _arrived[which] = _arrived[which], -1
    tensor = open_parts(descriptor, parts, False)
    return tensor.requires_grad_() if needs else tensor


def _pack(key, content):
    """(bytes, descriptors, what must live until these are sent)."""
    file = io.BytesIO()
    file.write(bytes(_HEADER.size))
    packer = _Packer(file)
    packer.dump(key)
    packer.dump(content)
    data = file.getbuffer()
    _HEADER.pack_into(data, 0, len(data) - _HEADER.size, len(packer.descriptors))
    return data, packer.descriptors, packer.tensors


def _unpack(data, descriptors):
    """(key, content); an ExceptionWrapper for a content that cannot be rebuilt here."""
    global _arrived
    before, _arrived = _arrived, list(descriptors)
    unpacker = pickle.Unpickler(io.BytesIO(data))
    try:
        key = unpacker.load()
        try:
            return key, unpacker.load()
        except Exception:
            return key, ExceptionWrapper(where="when a batch came from its DataLoader worker")
    finally:
        for descriptor in _arrived:
            if descriptor >= 0:
                os.close(descriptor)
        _arrived = before


# ---- The worker's end ----------------------------------------------------------------------------


def send(connection, key, content):
    """Sends a message; waits until the socket has taken it."""
    data, descriptors, kept = _pack(key, content)
    ancillary = [(*_RIGHTS, array("i", descriptors))] if descriptors else []
    sent = connection.sendmsg([data], ancillary)
    while sent < len(data):
        sent += connection.send(data[sent:])
    del kept


def receive(connection):
    """The next (key, content), of which no tensor came; None when the loader has gone."""
    header = _read(connection, _HEADER.size)
    data = header and _read(connection, _HEADER.unpack(header)[0])
    return _unpack(data, ()) if data else None


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
        self.closed = False
        _ends.add(self)

    def fileno(self):
        return self.socket.fileno()

    def send(self, key, content):
        """Sends a message without tensors beside it, now or in flush()."""
        self.outgoing += _pack(key, content)[0]
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
            found.append(_unpack(data, descriptors))
        return found

    def close(self):
        """The worker sees the end of its tasks."""
        self.socket.close()
        self.worker_end.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


def _forget_ends():
    """A forked process must not hold the loader's ends: workers would not see the loader go."""
    for end in list(_ends):
        end.socket.close()


os.register_at_fork(after_in_child=_forget_ends)
