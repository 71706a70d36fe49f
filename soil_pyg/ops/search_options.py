import inspect
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from soil_pyg.ops.index_error import index_error
from soil_pyg.utils.checks import (
    check_between,
    check_choice,
    check_flag,
    check_greater,
    check_integer,
    check_string,
)

PRECISIONS = ("highest", "high", "medium")
"""The settings of :func:`torch.set_float32_matmul_precision`."""

EXACT_ITEMS = 2**15
"""The largest number of items that are compared exactly by default, which takes half a minute."""

FACTORY_STRING = r"[A-Za-z][\w(),.+\[\]-]*"
PARAMETERS = r"\w+=\w[\w.+-]*(,\w+=\w[\w.+-]*)*"

SMALLEST = {"HNSW": 2, "NSG": 2}
"""The numbers below which FAISS ends the process or does not return, by the name before them."""

Function = TypeVar("Function", bound=Callable[..., Any])


class ExactSearchKwargs(TypedDict, total=False):
    """The keyword arguments of :class:`SearchOptions` except for the index."""

    recall: float
    strict: bool
    memory_budget: int
    matmul_precision: str


class SearchKwargs(ExactSearchKwargs, total=False):
    """The keyword arguments of :class:`SearchOptions`."""

    index: str


@dataclass(frozen=True)
class SearchOptions:
    r"""The options of the search for nearest items, for all graphs and :class:`~soil_pyg.nn.KNN`.

    Classes that search take these arguments as keyword arguments of their own.

    Args:
        index (str, optional): :obj:`"Flat"` compares all items and is exact. Any other string is a
            FAISS index factory string, e.g. :obj:`"HNSW32"` or :obj:`"IVF256,PQ16,RFlat"`. Search
            parameters may follow, as in :obj:`"IVF256,Flat;nprobe=16"`, and are then kept.
            :obj:`"auto"` is exact up to 32,768 items and an inverted file above, which needs FAISS.
            (default: :obj:`"auto"`)
        recall (float, optional): The share of the exact answers that an approximate search must
            find: the search deepens until a sample of the queries reaches this share.
            (default: :obj:`0.95`)
        strict (bool, optional): If set to :obj:`True`, a search that cannot reach the recall raises
            an error instead of a warning. (default: :obj:`False`)
        memory_budget (int, optional): The number of bytes that a block of similarities may take.
            (default: :obj:`2**30`)
        matmul_precision (str, optional): The precision with which all items are compared, see
            :func:`torch.set_float32_matmul_precision`: :obj:`"high"` (TF32) and :obj:`"medium"`
            (bfloat16) are faster where the device supports them, and may find other neighbours.
            (default: :obj:`"highest"`)

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> options = SearchOptions(recall=0.99)
        >>> options.is_exact(num_items=7_050), options.is_exact(num_items=1_000_000)
        (True, False)
    """

    index: str = "auto"
    recall: float = 0.95
    strict: bool = False
    memory_budget: int = 2**30
    matmul_precision: str = "highest"

    def __post_init__(self) -> None:
        check_index(self.index)
        check_greater("recall", self.recall, 0)
        check_between("recall", self.recall, 0, 1)
        check_flag("strict", self.strict)
        check_integer("memory_budget", self.memory_budget, 1)
        check_choice("matmul_precision", self.matmul_precision, PRECISIONS)

    def is_exact(self, num_items: int) -> bool:
        """Returns whether all items are compared."""
        return self.index == "Flat" or (self.index == "auto" and num_items <= EXACT_ITEMS)

    def check_recall(self, reached: float, wanted: str, remedy: str) -> None:
        """Warns if a recall is too low, or raises :class:`ValueError` if the options are strict.

        Args:
            reached (float): The share of the exact answers that were found.
            wanted (str): What was searched.
            remedy (str): What would find more.
        """
        if reached >= self.recall:
            return
        text = f"'recall' is {self.recall:g}, but {reached:.3f} of the {wanted} are found: {remedy}"
        if self.strict:
            raise ValueError(text)
        warnings.warn(text, stacklevel=2)


def check_index(index: object) -> None:
    """Raises :class:`ValueError` unless an argument may name an index: FAISS ends the process for
    some numbers.
    """
    check_string("index", index)
    assert isinstance(index, str)
    if re.fullmatch(f"{FACTORY_STRING}(;{PARAMETERS})?", index, re.ASCII) is None:
        raise index_error(index, "it is no name of an index, alone or with ';' and parameters")
    for name, number in re.findall(r"([A-Za-z]*)(\d+(?:\.\d+)?)", index):
        smallest = SMALLEST.get(name, 1)
        if float(number) < smallest and not 0 < float(number) < 1:
            reason = f"the number {number} after '{name}' must be at least {smallest}"
            raise index_error(index, reason)
    name = index.partition(";")[0]
    if name not in ("auto", "Flat", "CAGRA"):
        # Only other indexes need FAISS, whose module imports PyTorch.
        from soil_pyg.ops.faiss_library import is_parsed

        if not is_parsed(name):
            raise index_error(index, "FAISS has no index of this name")


def takes_search_options(function: Function) -> Function:
    """Decorates a function that passes keyword arguments on to :class:`SearchOptions`: its
    signature, from which help, flags and stored settings are made, names each of them.
    """
    signature = inspect.signature(function, eval_str=True)
    kinds = inspect.Parameter
    own = [p for p in signature.parameters.values() if p.kind is not kinds.VAR_KEYWORD]
    names = {parameter.name for parameter in own}
    options = inspect.signature(SearchOptions).parameters.values()
    shown = [p.replace(kind=kinds.KEYWORD_ONLY) for p in options if p.name not in names]
    signature = signature.replace(parameters=[*own, *shown])
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function
