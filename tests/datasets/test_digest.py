import functools
import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.transforms import AddSelfLoops, Compose, ToUndirected

from soil_pyg.datasets.digest import array_digest, describe
from soil_pyg.utils.files import digest_of, file_digest


class Slotted:
    __slots__ = ("k",)

    def __init__(self, k: int) -> None:
        self.k = k


class Named:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Named({len(self.text)})"


def test_digest_of_a_value_ignores_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of(["a"]) == hashlib.sha256(b'["a"]').hexdigest()


def test_digest_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 70_000  # more than one block
    (tmp_path / "file").write_bytes(content)
    assert file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_digest_of_an_array_knows_type_shape_and_content() -> None:
    array = np.arange(6)
    arrays = [array, array.reshape(2, 3), array.astype(np.int32), array[::-1], array[:5]]
    strings = [np.array(["a", "b"]), np.array(["a", "c"])]
    assert len({array_digest(a) for a in (*arrays, *strings)}) == 7
    assert array_digest(array.reshape(2, 3).T.copy()) == array_digest(array.reshape(2, 3).T)


def test_descriptions_tell_options_apart() -> None:
    values = [
        AddSelfLoops(fill_value=1.0),
        AddSelfLoops(fill_value=2.0),
        AddSelfLoops(attr="weight"),
        ToUndirected(),
        Compose([AddSelfLoops()]),
        Compose([AddSelfLoops(), ToUndirected()]),
        Slotted(1),
        Slotted(2),
        Named("ab"),
        Named("abc"),
        Named("xy"),
        torch.zeros(2000),
        torch.eye(2000)[0],
        np.zeros(2),
        torch.float32,
        torch.device("cpu"),
        {"k": 1},
        {"k": 2},
        {1, 2},
        None,
        1,
        "1",
        (1, 2),
        Slotted,
        torch.bfloat16,
    ]
    assert len({digest_of(describe(value)) for value in values}) == len(values)


def test_descriptions_are_the_same_for_equal_options() -> None:
    assert describe(Compose([Slotted(1), Named("a")])) == describe(
        Compose([Slotted(1), Named("a")])
    )
    assert describe({"b", "a", "c"}) == describe({"c", "b", "a"})


@pytest.mark.parametrize(
    "value",
    [
        lambda data: data,
        test_digest_of_a_value_ignores_the_order_of_keys,
        functools.partial(print, 1),
        Compose([lambda data: data]),
        threading.Lock(),
    ],
)
def test_functions_have_no_description(value: object) -> None:
    with pytest.raises(TypeError):
        describe(value)


def test_the_digest_of_texts_of_any_length() -> None:
    texts = np.array(["a", "bc"], dtype=object)
    others = [np.array(other, dtype=object) for other in (["ab", "c"], ["a", "b"], ["bc", "a"])]
    assert len({array_digest(array) for array in (texts, *others)}) == 4
    assert array_digest(texts.copy()) == array_digest(texts)
