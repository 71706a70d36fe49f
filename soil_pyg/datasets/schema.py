"""The schemas of the files of a data folder."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from soil_pyg.utils.records import Count, Schema, Sha256

DATA = "data.safetensors"
ITEMS = "items.parquet"
ENCODERS = "encoders.safetensors"


class TensorValue(Schema):
    """An attribute that is a tensor of the file."""

    tensor: str


class ArrayValue(Schema):
    """An attribute that is an array of numbers, stored as a tensor."""

    array: str


class StringsValue(Schema):
    """An attribute that is an array of strings, stored as a tensor of their bytes."""

    strings: str
    dtype: Annotated[str, Field(pattern=r"^[<>]U\d{1,9}$")]
    shape: list[Count]


class TextsValue(Schema):
    """An attribute that is an array of texts of any length, stored as one tensor of their bytes in
    UTF-8 and one of their sizes.
    """

    texts: str
    shape: list[Count]


class PlainValue(Schema):
    """An attribute that is a JSON value."""

    value: JsonValue


class Store(Schema):
    """The attributes of the nodes or edges of a type, or of the whole graph."""

    type: str | Annotated[list[str], Field(min_length=3, max_length=3)] | None
    attributes: dict[str, TensorValue | ArrayValue | StringsValue | TextsValue | PlainValue]


class DataHeader(Schema):
    """The header of a stored graph, with a digest of all its content."""

    stores: list[Store]
    sha256: Sha256 | None = None


class EncodersHeader(Schema):
    """The header of a file of fitted encoders: their names, by the number that their tensors begin
    with.
    """

    encoders: list[str]
    sha256: Sha256 | None = None


class Step(Schema):
    """A step of the preparation and the numbers that it left out."""

    model_config = ConfigDict(extra="allow")

    why: str
    users: Count
    items: Count
    pairs: Count


class Digests(Schema):
    """The digests of the other files in the folder."""

    data: Annotated[Sha256, Field(alias=DATA)]
    items: Annotated[Sha256 | None, Field(alias=ITEMS)] = None
    encoders: Annotated[Sha256 | None, Field(alias=ENCODERS)] = None


class EncoderName(Schema):
    """The encoder of a modality."""

    name: str
    version: str


class Modality(Schema):
    """The features of a modality."""

    model_config = ConfigDict(extra="allow")

    channels: Count
    encoder: EncoderName | None = None


class Description(Schema):
    """The part of :obj:`prepare.json` that other steps read; the rest is there for people."""

    model_config = ConfigDict(extra="allow")

    format: Literal[1]
    files: Digests
    versions: dict[str, str] = Field(default_factory=dict)
    dropped: list[Step] = Field(default_factory=list)
    modalities: dict[str, Modality] = Field(default_factory=dict)
