import gc
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module

import torch

from soil_pyg.runs.checkpoint import load_finished_run
from soil_pyg.serving.item_files import ItemFiles
from soil_pyg.serving.metrics import SHARED_FOLDER, Metrics
from soil_pyg.serving.requests import Limits
from soil_pyg.serving.run_link import RunLink
from soil_pyg.serving.served_run import ServedRun
from soil_pyg.serving.sockets import address_of, bound_socket, worker_socket
from soil_pyg.serving.workers import Workers, heeded_signals
from soil_pyg.typing import ITEM
from soil_pyg.utils.checks import check_greater, check_integer, check_string
from soil_pyg.utils.extras import install_command
from soil_pyg.utils.progress import status
from soil_pyg.workflow.columns import id_columns

PACKAGES = ("fastapi", "fastapi_offline", "prometheus_client", "uvicorn")

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 seconds of common proxies, which must be the ones to close a connection."""

GRACE_SECONDS = 30
"""The time for the requests in flight when the server ends."""

BACKLOG = 2048


def serve(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    limits: Limits | None = None,
    exact: bool = False,
    graphs: bool = True,
    poll_seconds: float = 2.0,
    root_path: str = "",
    allow_file: str | os.PathLike[str] | None = None,
    deny_file: str | os.PathLike[str] | None = None,
) -> None:
    """Serves a run over HTTP until a signal ends the process.

    Workers are forked once the run is loaded and share its memory. Each looks whether another run
    has taken its place and loads that beside the old one, which the requests in flight keep.

    Args:
        run (str or os.PathLike): The folder of the run, or a symbolic link to it.
        data (str or os.PathLike, optional): The folder of its data.
            (default: the folder that the run was trained on)
        host (str): The address to listen at; :obj:`"0.0.0.0"` is reached from other machines.
            (default: :obj:`"127.0.0.1"`)
        port (int): The port, 0 for a free one. (default: :obj:`8000`)
        workers (int): The number of processes. (default: :obj:`1`)
        limits (Limits, optional): The largest requests.
            (default: those of :class:`~soil_pyg.serving.requests.Limits`)
        exact (bool): Whether to score all items although the run has an approximate index.
            (default: :obj:`False`)
        graphs (bool): Whether to build the graphs of the model, which explanations and new users
            need. (default: :obj:`True`)
        poll_seconds (float): The time between two looks at the run and the files.
            (default: :obj:`2.0`)
        root_path (str): The path at which a proxy shows the server. (default: :obj:`""`)
        allow_file (str or os.PathLike, optional): A file of the only items to recommend, in the
            forms that :func:`soil_pyg.recommend` takes. It is read again when it changes. Ids that
            the run lacks are ignored. (default: all)
        deny_file (str or os.PathLike, optional): A file of items never to recommend, such as those
            out of stock, likewise. (default: none)

    Raises:
        FileNotFoundError: If a folder or a file does not exist.
        ValueError: If an argument is out of range, the run cannot be loaded, or the address is not
            free.
        ImportError: If a package of the extra :obj:`serve` is not installed.
    """
    check_string("host", host)
    check_integer("port", port, 0, 65535)
    check_integer("workers", workers, 1, 1024)
    check_greater("poll_seconds", poll_seconds, 0)
    if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
        raise ValueError(
            f"'root_path' must begin with a slash and not end with one (got {root_path!r})"
        )
    if workers > 1 and not hasattr(os, "fork"):
        raise ValueError(f"'workers' must be 1 on this system, which cannot fork (got {workers})")
    with ExitStack() as stack:
        first = stack.enter_context(bound_socket(host, port, workers > 1))
        if workers > 1:
            os.environ[SHARED_FOLDER] = stack.enter_context(tempfile.TemporaryDirectory())
            stack.callback(os.environ.pop, SHARED_FOLDER)
        _import_packages()
        # A process with threads of OpenMP cannot be forked, and requests are the unit of work.
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        status.step("Loading the run")
        load = partial(ServedRun, data=data, exact=exact, graphs=graphs)
        known = load_finished_run(run, False)["settings"].get("data") if data is None else data
        files = ItemFiles(allow_file, deny_file, id_columns(known)[ITEM])
        link = RunLink(run, load, files)
        address, several = address_of(first), f"{workers} workers" if workers > 1 else "1 worker"
        hello = f"serving '{run}' at {address} by {several}; {address}/docs shows how"
        work = partial(
            _work, link, first, limits or Limits(), poll_seconds, root_path, os.getpid(), hello
        )
        if workers == 1:
            work(True)
            return
        gc.collect()
        # Otherwise the next collection would write to, and so copy, all shared objects.
        gc.freeze()
        mark_dead = import_module("prometheus_client.multiprocess").mark_process_dead
        # A worker that is started again begins with the last run and files that could be loaded.
        follow = _every(poll_seconds, link.refresh)
        Workers(work, workers, mark_dead, GRACE_SECONDS, follow).run()


def _every(seconds: float, action: Callable[[], object]) -> Callable[[], None]:
    """Returns a function that does an action, but not again before some time has passed."""
    last = time.monotonic()

    def call() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            action()
            last = time.monotonic()

    return call


def _work(
    link: RunLink,
    first: socket.socket,
    limits: Limits,
    poll_seconds: float,
    root_path: str,
    parent: int,
    hello: str,
    is_first: bool,
) -> None:
    import uvicorn

    from soil_pyg.serving.app import create_app

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # Those of uvicorn raise the signal again at the end, which is no failure here.
            handlers = {n: signal.signal(n, self.handle_exit) for n in heeded_signals()}
            try:
                yield
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    link.refresh()
    metrics = Metrics(link)
    config = uvicorn.Config(
        create_app(link, limits, metrics, root_path),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server, is_over = Server(config), threading.Event()

    def watch() -> None:
        while not is_over.wait(poll_seconds):
            link.refresh()
            metrics.update()
            if parent not in (os.getpid(), os.getppid()):
                server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    with worker_socket(first, parent) as listening:
        listening.listen(BACKLOG)
        if is_first:
            # From now on, connections wait instead of being refused.
            status.log(hello)
        server.run(sockets=[listening])
    is_over.set()


def _import_packages() -> None:
    for package in PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise ImportError(
                f"A server requires the package '{error.name}': {install_command('serve')}"
            ) from error
