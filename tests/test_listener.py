"""The end of a listening socket."""

import socket
import sys

import pytest

from serving.listener import has_callers, several, stop_calls


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do that")
def test_who_has_been_let_in_is_served_and_nobody_else():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        assert not has_callers(listener)
        with socket.create_connection(address) as client:
            stop_calls(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.3)
            assert has_callers(listener)
            taken, _ = listener.accept()
            with taken:
                client.sendall(b"hello")
                assert taken.recv(9) == b"hello"
        assert not has_callers(listener)


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
