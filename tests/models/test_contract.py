"""What every model of the package has to do, whatever it computes."""

import inspect
import re
from pathlib import Path

import pytest
import torch
from model_cases import CASES

from api_cases import named_cases
from soil_pyg import models
from soil_pyg.models import Recommender
from soil_pyg.testing import small_data
from soil_pyg.testing.model_case import BATCH, total_loss
from soil_pyg.typing import Triplets

OF_NO_PAPER = {"Popularity"}
"""Models that have no source to link to."""


def concrete(names: list[str]) -> dict[str, type[Recommender]]:
    """Returns the models among the names that can be made."""
    found = {name: getattr(models, name) for name in names}
    kinds = {n: kind for n, kind in found.items() if inspect.isclass(kind)}
    kinds = {n: kind for n, kind in kinds.items() if not inspect.isabstract(kind)}
    return {n: kind for n, kind in kinds.items() if issubclass(kind, Recommender)}


def uncovered(names: list[str]) -> list[str]:
    """Returns the models among the names that no case covers."""
    return sorted(set(concrete(names)) - {case.model for case in CASES.values()})


def without_source(names: list[str]) -> list[str]:
    """Returns the models among the names whose docstrings do not link to their source."""
    summaries = {n: (kind.__doc__ or "").split("Args:")[0] for n, kind in concrete(names).items()}
    linked = {n for n, summary in summaries.items() if re.search(r"<https?://\S+>`_", summary)}
    return sorted(set(summaries) - linked - OF_NO_PAPER)


def test_every_model_is_covered() -> None:
    assert uncovered(models.__all__) == []


def test_a_model_that_is_missing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newcomer(models.BPR):
        pass

    monkeypatch.setattr(models, "Newcomer", Newcomer, raising=False)
    assert uncovered([*models.__all__, "Newcomer"]) == ["Newcomer"]


def test_every_docstring_links_to_the_source() -> None:
    assert without_source(models.__all__) == []


@pytest.mark.parametrize(
    ("docstring", "is_linked"),
    [
        (None, False),
        ("Ranks items.", False),
        ("Ranks items.\n\nArgs:\n    k (int): See `here <https://example.org/k>`_.", False),
        ('Ranks items, from the `"Ranks"\n<https://example.org/ranks>`_ paper.', True),
    ],
)
def test_a_docstring_without_the_source_is_noticed(
    docstring: str | None, is_linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer = type("Newcomer", (models.BPR,), {"__doc__": docstring})
    monkeypatch.setattr(models, "Newcomer", newcomer, raising=False)
    expected = [] if is_linked else ["Newcomer"]
    assert without_source([*models.__all__, "Newcomer"]) == expected


def test_every_case_is_tested_once() -> None:
    assert named_cases("keeps_contract", Path(__file__).parent) == sorted(CASES)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["lgmrec", "mgcn", "slmrec", "soil_paper", "soil_released"])
def test_a_step_on_a_gpu_waits_for_nothing(name: str) -> None:
    kind, options, graphs = CASES[name]
    model_class = getattr(models, kind)
    data = model_class.graph_transform(**graphs)(small_data()).to("cuda")
    model = model_class(9, 7, {"image": 5, "text": 3}, **options).cuda()
    batch = Triplets(*(part.cuda() for part in BATCH))
    total_loss(model, data, batch).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        total_loss(model, data, batch).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
