"""The end of a listening socket."""

import errno
import socket
import sys

import pytest

from serving.listener import bound, has_callers, own_share, several, shareable, stop_calls

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do that")


@only_linux
def test_who_has_been_let_in_is_served_and_nobody_else():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        assert not has_callers(listener)
        with socket.create_connection(address) as client:
            if not stop_calls(listener):
                pytest.skip("this kernel lets only root filter a socket")
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.3)
            assert has_callers(listener)
            taken, _ = listener.accept()
            with taken:
                client.sendall(b"hello")
                assert taken.recv(9) == b"hello"
        assert not has_callers(listener)


@only_linux
def test_where_the_system_forbids_it_callers_still_come():
    class Forbidden(socket.socket):
        def setsockopt(self, *_):
            raise PermissionError(errno.EPERM, "Operation not permitted")

    with Forbidden(fileno=socket.create_server(("127.0.0.1", 0)).detach()) as listener:
        assert not stop_calls(listener)
        with socket.create_connection(listener.getsockname()):
            assert has_callers(listener)


def test_further_handles_take_from_the_same_socket():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        first, *others = several([listener])
        assert first is listener
        assert len(others) >= 8
        for handle in others:
            with socket.create_connection(listener.getsockname()):
                handle.accept()[0].close()
            handle.close()
        assert not has_callers(listener)


@only_linux
def test_connections_are_spread_over_the_workers_sockets():
    first = bound("127.0.0.1", 0)
    address = first.getsockname()
    kept = shareable(first)
    with bound(*address) as other, pytest.raises(OSError, match="in use"):
        shareable(other)  # of another server that starts at the same time
    assert kept.getsockname() == address
    workers = [own_share(kept.dup()) for _ in range(2)]
    for worker in workers:
        worker.listen(100)
    with pytest.raises(OSError, match="in use"):  # a second server is told so
        socket.create_server(address)
    clients = [socket.create_connection(address) for _ in range(64)]
    taken = []
    for worker in workers:
        worker.setblocking(False)
        taken.append(0)
        while has_callers(worker):
            worker.accept()[0].close()
            taken[-1] += 1
    assert sum(taken) == 64
    assert min(taken) > 5  # by chance fewer once in a thousand million times
    for one in [*clients, *workers, kept]:
        one.close()
