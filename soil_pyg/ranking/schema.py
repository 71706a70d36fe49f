"""The schema of the description of an item index."""

from typing import Annotated, Literal

from pydantic import Field

from soil_pyg.utils.records import Schema, Sha256


class IndexRecord(Schema):
    """The content of :obj:`items.json`: the kind of index, its recall, and the digests of the
    index and of the embeddings in it.
    """

    format: Literal[1]
    index: str
    recall: Annotated[float, Field(ge=0, le=1)] | None
    embeddings: Sha256
    sha256: Sha256
