import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def bound_socket(host: str, port: int, several: bool) -> Iterator[socket.socket]:
    """Yields a socket at an address that no other process listens at."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ValueError(f"'host' must be an address of this machine (got '{host}')") from error
    with ExitStack() as stack:
        try:
            found = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(where)
            if several and _balances():
                # Only now: processes that reuse a port do not notice each other.
                where = found.getsockname()
                found.close()
                found = stack.enter_context(_reusing(family, where))
        except OSError as error:
            raise ValueError(
                f"'port' must be free at '{host}' (got {port}: {error.strerror}): choose another "
                "port or host"
            ) from error
        yield found


@contextmanager
def worker_socket(first: socket.socket, parent: int) -> Iterator[socket.socket]:
    """Yields the socket of this worker. On Linux each has its own, so that the kernel spreads
    connections evenly; else one worker may take all that wait.
    """
    if os.getpid() == parent or not _balances():
        yield first
        return
    with _reusing(first.family, first.getsockname()) as found:
        yield found


def address_of(found: socket.socket) -> str:
    """Returns the address at which a browser reaches a socket."""
    host, port = found.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _reusing(family: int, where: object) -> Iterator[socket.socket]:
    with socket.socket(family, socket.SOCK_STREAM) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(where)  # type: ignore[arg-type]
        yield found


def _balances() -> bool:
    return sys.platform == "linux"
