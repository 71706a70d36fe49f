"""Where blocks of users or items are computed: in this process, or by Ray on many machines."""

import importlib.util
import os
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor

from soil_pyg.utils._private import silence_ray
from soil_pyg.utils.checks import check_choice
from soil_pyg.utils.signals import raise_on_signals

ENGINES = ("local", "ray")
WAITING = 2
"""The number of blocks per processor that are sent to Ray before the first result is taken."""
CHECK_SECONDS = 1.0
"""The time between two looks at whether Ray still runs."""

_current = ContextVar("engine", default="local")
Tables = TypeVar("Tables")
Block = TypeVar("Block")
Result = TypeVar("Result")


def check_engine(engine: object) -> None:
    """Raises :class:`ValueError` for an unknown engine, and :class:`ImportError` if it is not
    installed.
    """
    check_choice("engine", engine, ENGINES)
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        raise ImportError("'engine' is 'ray', which is not installed: pip install 'soil-pyg[ray]'")


@contextmanager
def use_engine(engine: str) -> Iterator[None]:
    """Builds graphs by an engine within a block: exact searches of neighbours, items of interest
    and second-order items. The graphs are the same; an approximate index is searched in this
    process.

    Args:
        engine (str): :obj:`"local"` or :obj:`"ray"`, see :func:`map_blocks`.

    Raises:
        ImportError: If Ray is asked for and not installed.
        ValueError: If the engine is unknown.

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> from soil_pyg.transforms import SimilarityGraph
        >>> with use_engine("local"):
        ...     data = SimilarityGraph(k=5)(SyntheticMultimodal(num_users=20, num_items=10)[0])
    """
    check_engine(engine)
    token = _current.set(engine)
    try:
        yield
    finally:
        _current.reset(token)


def current_engine() -> str:
    """Returns the engine of :func:`use_engine`."""
    return _current.get()


def running_engine(engine: str) -> AbstractContextManager[Any]:
    """Returns a context in which calls of :func:`map_blocks` use the engine without starting it
    each.
    """
    return _cluster() if engine == "ray" else nullcontext()


def map_blocks(
    function: Callable[[Tables, Block], Result],
    tables: Tables,
    blocks: Iterable[Block],
    engine: str = "local",
) -> Iterator[Result]:
    """Yields the result of a function for each block, in their order.

    With Ray, each machine holds one copy of the tables, whose dense tensors the processes share. A
    block is computed again if its process or machine ends. Ray is started on this machine unless it
    runs already or :obj:`RAY_ADDRESS` names a cluster, as for :func:`ray.init`.

    Args:
        function (callable): Takes the tables and a block, and reads nothing else.
        tables (Any): What all blocks read.
        blocks (iterable): The blocks.
        engine (str): :obj:`"local"` or :obj:`"ray"`. (default: :obj:`"local"`)

    Raises:
        ConnectionError: If Ray ends on this machine.
        OSError: If Ray cannot be started or reached.

    Example:
        >>> list(map_blocks(lambda table, block: table[block], "abcd", [slice(2), slice(2, 4)]))
        ['ab', 'cd']
    """
    check_engine(engine)
    if engine == "local":
        yield from (function(tables, block) for block in blocks)
        return
    with _cluster() as ray:
        task = ray.remote(num_cpus=1, max_retries=-1)(_call)
        reference = ray.put((function, tables))
        most = WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)))
        is_alive = _watch(ray)
        waiting: deque[Any] = deque()
        for block in blocks:
            waiting.append(task.remote(reference, block))
            if len(waiting) >= most:
                yield _result(ray, waiting.popleft(), is_alive)
        while waiting:
            yield _result(ray, waiting.popleft(), is_alive)


def _call(
    shared: tuple[Callable[[Tables, Block], Result], Tables], block: Block
) -> Result:  # pragma: no cover (in a process of Ray)
    function, tables = shared
    return function(tables, block)


def _watch(ray: Any) -> Callable[[], bool]:
    """Returns a function that tells whether the node of this process still answers."""
    own = ray.get_runtime_context().get_node_id()
    node: dict[str, Any] = next((node for node in ray.nodes() if node["NodeID"] == own), {})

    def answers() -> bool:
        try:
            address = node["NodeManagerAddress"], node["NodeManagerPort"]
            socket.create_connection(address, timeout=CHECK_SECONDS).close()
        except TimeoutError:
            return True
        except (OSError, KeyError):
            return False
        return True

    # A client outside of the cluster may not reach the node.
    return answers if answers() else lambda: True


def _result(ray: Any, reference: Any, is_alive: Callable[[], bool]) -> Any:
    while True:
        # Ray would end this process without a word when it misses the node.
        if not is_alive():
            raise ConnectionError(
                "Ray has ended on this machine, which may lack memory: repeat the call"
            )
        if ray.wait([reference], timeout=CHECK_SECONDS)[0]:
            return ray.get(reference)


@contextmanager
def _cluster() -> Iterator[Any]:
    import ray

    is_mine = not ray.is_initialized()
    if is_mine:
        # This process waits for those of Ray, which would otherwise give way to all others.
        os.environ.setdefault("RAY_worker_niceness", "0")
        try:
            ray.init(logging_level="ERROR", log_to_driver=False)
        except Exception as error:
            ray.shutdown()
            raise OSError(f"Ray cannot be started or reached: {error}") from error
        # Ray has replaced the handler of SIGTERM.
        raise_on_signals()
    silence_ray()
    # Arrays of NumPy are shared in memory, tensors would be copied.
    ray.util.register_serializer(Tensor, serializer=_pack, deserializer=_unpack)
    try:
        yield ray
    finally:
        ray.util.deregister_serializer(Tensor)
        if is_mine:
            ray.shutdown()


def _pack(x: Tensor) -> tuple[Any, ...]:
    if x.is_sparse:
        x = x.coalesce()
        return x.indices().numpy(), x.values().numpy(), tuple(x.size())
    return (x.detach().cpu().numpy(),)


def _unpack(parts: tuple[Any, ...]) -> Tensor:
    if len(parts) == 1:
        return _tensor(parts[0])
    indices, values, size = parts
    return torch.sparse_coo_tensor(
        _tensor(indices), _tensor(values), size, is_coalesced=True, check_invariants=False
    )


def _tensor(array: Any) -> Tensor:
    # Shared arrays are read-only, which torch has no tensors for; the functions do not write.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")
        return torch.from_numpy(array)
