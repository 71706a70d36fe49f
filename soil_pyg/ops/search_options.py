import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar

from soil_pyg.ops.faiss_index import check_index
from soil_pyg.utils.checks import check_between, check_choice, check_greater, check_integer

PRECISIONS = ("highest", "high", "medium")
"""The settings of :func:`torch.set_float32_matmul_precision`."""

EXACT_ITEMS = 2**15
"""The largest number of items that are compared exactly by default: an index saves no time."""

LISTS = "Lists"
"""The prefix of an index of inverted lists, before the number of lists."""

Function = TypeVar("Function", bound=Callable[..., Any])


class ExactSearchKwargs(TypedDict, total=False):
    """The keyword arguments of :class:`SearchOptions` except for the index."""

    recall: float
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
        index (str, optional): :obj:`"Flat"` compares all items and is exact. :obj:`"Lists256"`
            searches 256 inverted lists; any other string is a FAISS index factory string, e.g.
            :obj:`"HNSW32"` or :obj:`"IVF256,PQ16"`. Search parameters may follow, as in
            :obj:`"Lists256;nprobe=16"`. :obj:`"auto"` is exact up to 32,768 items and searches
            inverted lists above. (default: :obj:`"auto"`)
        recall (float, optional): The share of the exact answers that an approximate search aims at:
            without search parameters, inverted lists and graphs are searched deeper until a sample
            of the queries reaches it, within limits. (default: :obj:`0.95`)
        memory_budget (int, optional): The number of bytes that a block of similarities may take.
            (default: :obj:`2**30`)
        matmul_precision (str, optional): The precision with which all items are compared, see
            :func:`torch.set_float32_matmul_precision`: :obj:`"high"` (TF32) and :obj:`"medium"`
            (bfloat16) are faster where the device supports them, and may find other neighbours.
            (default: :obj:`"highest"`)

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> SearchOptions(index="auto").resolve(num_items=1_000_000).index
        'Lists4096'
    """

    index: str = "auto"
    recall: float = 0.95
    memory_budget: int = 2**30
    matmul_precision: str = "highest"

    def __post_init__(self) -> None:
        check_index(self.index)
        check_greater("recall", self.recall, 0)
        check_between("recall", self.recall, 0, 1)
        check_integer("memory_budget", self.memory_budget, 1)
        check_choice("matmul_precision", self.matmul_precision, PRECISIONS)

    @property
    def is_exact(self) -> bool:
        """Returns whether all items are compared."""
        return self.index == "Flat"

    def resolve(self, num_items: int) -> "SearchOptions":
        """Returns the options with :obj:`"auto"` replaced by the index for a number of items."""
        return replace(self, index=auto_index(num_items)) if self.index == "auto" else self


def auto_index(num_items: int) -> str:
    """Returns the index that :obj:`"auto"` stands for: :obj:`"Flat"` for few items, inverted lists
    for many.

    Example:
        >>> auto_index(7_050), auto_index(1_000_000)
        ('Flat', 'Lists4096')
    """
    if num_items <= EXACT_ITEMS:
        return "Flat"
    return f"{LISTS}{2 ** round(math.log2(4 * math.sqrt(num_items)))}"


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
