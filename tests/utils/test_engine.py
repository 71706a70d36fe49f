import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from soil_pyg.utils import engine as module
from soil_pyg.utils.engine import map_blocks

Pair = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    # Its processes would otherwise give way to all others.
    os.environ.update(RAY_worker_niceness="0")
    ray.init(num_cpus=2, logging_level="ERROR", log_to_driver=False)
    yield ray
    ray.shutdown()


def test_the_results_of_ray_are_the_local_ones_in_their_order(cluster: Any) -> None:
    dense = torch.arange(12.0).view(6, 2)
    tables = {"dense": dense, "sparse": dense.to_sparse_coo()}

    def total(tables: dict[str, torch.Tensor], block: slice) -> torch.Tensor:
        return tables["dense"][block] + tables["sparse"].to_dense()[block]

    blocks = [slice(n, n + 1) for n in range(6)]
    local, remote = (list(map_blocks(total, tables, blocks, name)) for name in module.ENGINES)
    assert len(remote) == 6
    assert torch.equal(torch.cat(local), 2 * dense)
    assert torch.equal(torch.cat(remote), 2 * dense)
    # A cluster that was there stays.
    assert cluster.is_initialized()


def test_tensors_are_shared_and_not_copied(cluster: Any) -> None:
    def address_is_shared(table: torch.Tensor, block: int) -> bool:
        ranges = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
        for span, _, _, _, _, *name in ranges:
            first, last = (int(end, 16) for end in span.split("-"))
            if first <= table.data_ptr() < last:
                return "/dev/shm" in "".join(name) or "plasma" in "".join(name)
        return False

    assert all(map_blocks(address_is_shared, torch.ones(10**6), range(3), "ray"))


def test_blocks_of_a_killed_worker_are_computed_again(cluster: Any, tmp_path: Path) -> None:
    def square(folder: str, block: int) -> int:
        first = Path(folder, f"{block}.seen")
        if block % 3 == 0 and not first.exists():
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block**2

    found = list(map_blocks(square, str(tmp_path), range(8), "ray"))
    assert found == [n**2 for n in range(8)]
    assert len(list(tmp_path.iterdir())) == 3


class OneNode:
    """Stands in for Ray on a node with some address."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address

    def get_runtime_context(self) -> "OneNode":
        return self

    def get_node_id(self) -> str:
        return "own"

    def nodes(self) -> list[dict[str, Any]]:
        host, port = self.address
        return [{"NodeID": "own", "NodeManagerAddress": host, "NodeManagerPort": port}]


def test_a_node_that_ends_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        is_alive = module._watch(OneNode(address))
        assert is_alive()
    assert not is_alive()
    with pytest.raises(ConnectionError, match="Ray has ended on this machine"):
        module._result(None, None, is_alive)
    # A node that could never be reached, as from outside of a cluster, is not watched.
    assert module._watch(OneNode(address))()


def test_an_error_of_a_block_is_raised(cluster: Any) -> None:
    def fail(tables: None, block: int) -> int:
        raise FloatingPointError("block 0")

    with pytest.raises(FloatingPointError, match="block 0"):
        list(map_blocks(fail, None, [0], "ray"))


def test_a_missing_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"'engine'.*'spark'"):
        list(map_blocks(len, "", [], "spark"))  # type: ignore[call-overload,arg-type]
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"soil-pyg\[ray\]"):
        list(map_blocks(len, "", [], "ray"))  # type: ignore[call-overload,arg-type]


def test_a_cluster_out_of_reach_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")

    def init(**options: Any) -> None:
        raise Exception("timed out")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(OSError, match="Ray cannot be started or reached: timed out"):
        list(map_blocks(len, "", [""], "ray"))  # type: ignore[call-overload,arg-type]
