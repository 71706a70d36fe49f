"""The short examples with PyG; tests/examples/test_own_data.py runs the long one."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE

EXAMPLES = Path(__file__).parents[2] / "examples"
needs_sampler = pytest.mark.skipif(
    not (WITH_PYG_LIB or WITH_TORCH_SPARSE), reason="neither pyg-lib nor torch-sparse is installed"
)


def load(name: str) -> Callable[..., Any]:
    main: Callable[..., Any] = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    return main


@pytest.mark.parametrize(("name", "channels"), [("hetero_conv", 32), ("to_hetero", 16)])
def test_networks_of_several_node_types(name: str, channels: int) -> None:
    out = load(name)()
    assert out["user"].size() == (200, channels)
    assert out["item"].size() == (100, channels)
    assert out["item"].requires_grad


@needs_sampler
def test_neighbor_loader() -> None:
    assert load("neighbor_loader")() == [32, 32, 32, 4]


@needs_sampler
def test_link_neighbor_loader() -> None:
    losses = load("link_neighbor_loader")()
    assert len(losses) > 2
    assert losses[-1] < losses[0]


def test_compile_model() -> None:
    compiled, plain = load("compile_model")("aot_eager")
    assert compiled == pytest.approx(plain, rel=1e-5)


def test_edge_index() -> None:
    fused, plain = load("edge_index")()
    torch.testing.assert_close(fused, plain)
