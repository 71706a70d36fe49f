import socket

import pytest

from soil_pyg.serving.sockets import address_of, bound_socket, worker_socket


@pytest.mark.parametrize("several", [False, True])
def test_a_port_of_another_process_is_refused(several: bool) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = rf"'port' must be free at '127.0.0.1' \(got {port}: Address already in use\)"
        with pytest.raises(ValueError, match=message), bound_socket("127.0.0.1", port, several):
            pass


def test_an_unknown_host_is_refused() -> None:
    with (
        pytest.raises(ValueError, match="'host' must be an address"),
        bound_socket("no.such.host.invalid", 0, False),
    ):
        pass


@pytest.mark.parametrize("several", [False, True])
def test_an_error_of_the_server_is_not_one_of_the_port(several: bool) -> None:
    with (
        pytest.raises(PermissionError, match="the run"),
        bound_socket("127.0.0.1", 0, several) as found,
    ):
        raise PermissionError(13, "the run")
    assert found.fileno() == -1


def test_each_worker_listens_at_the_same_address() -> None:
    with bound_socket("127.0.0.1", 0, True) as first, worker_socket(first, parent=0) as own:
        assert address_of(own) == address_of(first)
        assert address_of(own).startswith("http://127.0.0.1:")
