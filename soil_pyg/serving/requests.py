"""Schemas of what the server takes and returns, for its OpenAPI page, and limits on requests."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from soil_pyg.utils.checks import check_integer

K = Annotated[int, Field(description="Number of items per user, or per item.")]
Seen = Annotated[
    Literal["all", "train", "none"],
    Field(
        description="Leave out all items that a user has in the data, those of the train split, or "
        "none."
    ),
]
Ids = Annotated[list[str], Field(min_length=1)]
BodyIds = Annotated[list[StrictStr | StrictInt], Field(min_length=1)]
ALLOW = "Ids of the only items to recommend; none for all."
DENY = "Ids of items not to recommend."
Id = str | int | float
"""An id as the data has it."""


@dataclass(frozen=True)
class Limits:
    """The largest requests that a server takes.

    Args:
        k (int): The largest number of items per user or item. (default: :obj:`1000`)
        ids (int): The largest number of ids. (default: :obj:`100`)
        body (int): The largest number of bytes of a body. (default: :obj:`2**20`)

    Raises:
        ValueError: If a limit is less than 1.
    """

    k: int = 1000
    ids: int = 100
    body: int = 2**20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_integer(f"max_{name}", value, 1)


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RecommendParameters(_Parameters):
    """The parameters of :obj:`/recommend`."""

    user: Annotated[Ids, Field(description="Ids of users; repeat it for several.")]
    k: K = 10
    exclude_seen: Seen = "all"
    allow: Annotated[list[str], Field(description=ALLOW)] = []
    deny: Annotated[list[str], Field(description=DENY)] = []


class SimilarParameters(_Parameters):
    """The parameters of :obj:`/similar`: either items or users."""

    item: Annotated[list[str], Field(description="Ids of items.")] = []
    user: Annotated[list[str], Field(description="Ids of users, instead of items.")] = []
    k: K = 10
    by: Annotated[
        str | None,
        Field(description="Modality whose features are compared instead of the embeddings."),
    ] = None


class ExplainParameters(_Parameters):
    """The parameters of :obj:`/explain`."""

    user: Annotated[str, Field(description="Id of the user.")]
    item: Annotated[str, Field(description="Id of the item.")]
    by: Annotated[
        Literal["item", "modality", "part"],
        Field(description="Sum the parts per item that led to them or per modality, or list all."),
    ] = "item"


class ItemsParameters(_Parameters):
    """The parameters of :obj:`/items`: some items, or a page of all."""

    item: Annotated[list[str], Field(description="Ids of items; none for a page of all.")] = []
    start: Annotated[int, Field(description="First item of the page, from 0.")] = 0
    limit: Annotated[int | None, Field(description="Number of items of the page.")] = None


class NewUser(_Parameters):
    """The body of :obj:`/users`: the purchases of a user that the run does not know."""

    items: Annotated[BodyIds, Field(description="Ids of the items that the user has bought.")]
    k: Annotated[StrictInt, Field(description="Number of items.")] = 10
    exclude_seen: Seen = "all"
    allow: Annotated[BodyIds | None, Field(description=ALLOW)] = None
    deny: Annotated[list[StrictStr | StrictInt], Field(description=DENY)] = []


class Item(BaseModel):
    """An item with its title, which is null if it has none."""

    item: Id
    title: str | None = None


class RankedItem(Item):
    """A row of a ranking."""

    rank: int
    score: float


class RankedUser(BaseModel):
    """A row of a ranking of users."""

    rank: int
    user: Id
    score: float


class UserRanking(BaseModel):
    """The items of a user."""

    user: Id | None
    items: list[RankedItem]


class Recommendations(BaseModel):
    """The answer of :obj:`/recommend`, in the order of the users."""

    recommendations: list[UserRanking]


class SimilarTo(BaseModel):
    """The items similar to an item, or the users similar to a user."""

    item: Id | None = None
    title: str | None = None
    items: list[RankedItem] | None = None
    user: Id | None = None
    users: list[RankedUser] | None = None


class SimilarLists(BaseModel):
    """The answer of :obj:`/similar`, in the order of the ids."""

    similar: list[SimilarTo]


class Part(BaseModel):
    """A part of a score; which keys it has depends on :obj:`by`."""

    kind: str | None = None
    via: Id | None = None
    via_title: str | None = None
    modality: str | None = None
    item_modality: str | None = None
    value: float


class Parts(BaseModel):
    """The answer of :obj:`/explain`: the parts add up to the total, which is the score up to
    rounding.
    """

    user: Id
    item: Id
    title: str | None = None
    score: float
    total: float
    parts: list[Part]


class Items(BaseModel):
    """The answer of :obj:`/items`, with the number of all items."""

    items: list[Item]
    total: int


class Health(BaseModel):
    """The answer of :obj:`/health`."""

    status: str
    version: str
    model: str
    users: int
    items: int
    run: str
    loaded: float
    reload_failed: bool


class Error(BaseModel):
    """The answer to a request that is refused, in one line."""

    error: str
