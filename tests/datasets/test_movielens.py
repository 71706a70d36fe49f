import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from soil_pyg.datasets import MovieLens, MultimodalDataset
from soil_pyg.typing import INTERACTS, modalities_of

NAMES = ["ml1m", "ml1m_sparse", "mls"]


@pytest.mark.parametrize("name", NAMES)
def test_the_data_of_the_benchmark(real_data: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = MovieLens(real_data, name)[0]
    train, val, test = MovieLens.published[name].splits or ()
    num_users, num_items, _ = MovieLens.published[name].counts
    assert data["user"].num_nodes == num_users
    assert data["item"].num_nodes == (3_260 if name == "ml1m_sparse" else num_items)
    assert data.num_dropped_users == 0
    assert data[INTERACTS].edge_index.shape == (2, train)
    assert data[INTERACTS].val_edge_label_index.shape == (2, val)
    assert data[INTERACTS].test_edge_label_index.shape == (2, test)
    assert modalities_of(data) == ["image", "text"]
    missing = int((data["item"].x_image == 0).all(dim=1).sum())
    assert missing == (154 if name == "mls" else 4)
    # Finished runs of this data keep their keys.
    assert data.digest == MultimodalDataset(real_data, name)[0].digest


def test_the_counts_are_those_of_the_docstring() -> None:
    assert list(MovieLens.published) == NAMES
    doc = MovieLens.__doc__ or ""
    for name, expected in MovieLens.published.items():
        row = doc[doc.index(f"* - {name}\n") :].split("* -", 2)[1]
        assert [f"- {count:,}" in row for count in expected.counts] == [True] * 3
        assert " / ".join(f"{count:,}" for count in expected.splits or ()) in row
        assert sum(expected.splits or ()) == expected.counts[2]


@pytest.mark.parametrize("name", NAMES)
def test_missing_files_are_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError) as info:
        MovieLens(tmp_path, name)
    for part in (f"{tmp_path / name / name}.inter", "https://grouplens.org", "soil-pyg prepare"):
        assert part in str(info.value)


def test_other_interactions_are_refused(layout: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="4 users instead of 601"):
        MovieLens(layout(name="mls"), "mls")


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'name' .*'ml1m', .*\(got 'ml20m'\)"):
        MovieLens(tmp_path, "ml20m")
