"""Listening sockets: who comes is taken soon, and at the end nobody is lost."""

import ctypes
import selectors
import socket
import struct
import sys
from collections.abc import Iterable, Iterator

# In each round of the event loop libuv takes one connection from each socket. With thousands of
# clients a round lasts 25 ms, and new ones, probes among them, waited 90 s (measured).
_HANDLES = 16

_locks: list[socket.socket] = []  # until this process ends

_SO_ATTACH_FILTER = 26  # of Linux, in asm-generic/socket.h
# Classic BPF, over the TCP header: byte 13 has its flags, of which 2 is SYN. Who asks for a new
# connection is not heard, and asks again a second later; all others are.
_NO_SYN = b"".join(
    struct.pack("=HBBI", *step)
    for step in [(0x30, 0, 0, 13), (0x45, 0, 1, 2), (6, 0, 0, 0), (6, 0, 0, 0xFFFFFFFF)]
)


def bound(host: str, port: int) -> socket.socket:
    """A socket that has the address.

    Raises:
        OSError: it is taken, or no address of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener


def several(listeners: Iterable[socket.socket]) -> Iterator[socket.socket]:
    """The same sockets and further handles of them, for the event loop to take from at once."""
    for listener in listeners:
        yield listener
        if sys.platform == "win32":  # whose event loop takes each socket once
            continue
        for _ in range(_HANDLES - 1):
            yield listener.dup()


def shareable(listener: socket.socket) -> socket.socket:
    """A socket that keeps the address of `listener`, whose place it takes, for `own_share`.

    Only for Linux; elsewhere it is `listener` itself.

    Raises:
        OSError: another server just takes the address.
    """
    if sys.platform != "linux":
        return listener
    address = listener.getsockname()
    # Two servers could share it as well as two workers; this name can be had once.
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind(f"\0scanline {address}")
    except OSError:
        lock.close()
        raise
    _locks.append(lock)
    listener.close()
    return _sharing(listener.family, address)


def own_share(listener: socket.socket) -> socket.socket:
    """A worker process's own socket of a `shareable` address.

    Linux spreads new connections over them. From a socket that they had in common, the worker
    that woke first took nearly all (measured: 16 of 16).
    """
    if sys.platform != "linux":
        return listener
    own = _sharing(listener.family, listener.getsockname())
    listener.close()
    return own


def _sharing(family: int, address: tuple) -> socket.socket:
    sharing = socket.socket(family, socket.SOCK_STREAM)
    sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sharing.bind(address)
    return sharing


def stop_calls(listener: socket.socket) -> bool:
    """Let nobody new in, but those who have been: the system resets them if it is closed at once.

    Returns:
        Whether it could be done: only on Linux, and some kernels let only root do it. Else who
        calls between the last `accept` and the close is reset.
    """
    if sys.platform != "linux":
        return False
    steps = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
    program = struct.pack("@HP", len(_NO_SYN) // 8, ctypes.addressof(steps))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except PermissionError:
        return False
    return True


def has_callers(listener: socket.socket) -> bool:
    """Whether there are connections that wait to be accepted."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        return bool(selector.select(0))
