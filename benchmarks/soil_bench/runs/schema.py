"""The schemas of the records of runs and of the evidence that versions of the code agree."""

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter

from soil_pyg.runs.schema import Metrics, Seconds
from soil_pyg.utils.records import Count, Schema

NAME = r"^[\w.]+(:[\w.]+)?$"
"""The form of a model's name."""


class Versions(Schema):
    """The versions that decide a result, and where and when it was found."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str]

    code: str


class Durations(Schema):
    """The seconds of a run, in total and by part."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Seconds]

    total: Seconds


class RunLine(Schema):
    """The record of a run under today's names."""

    model: Annotated[str, Field(pattern=NAME)]
    profile: str | None
    dataset: str
    data_digest: str
    seed: Count
    settings: dict[str, JsonValue]
    versions: Versions
    best_epoch: Count
    val: Metrics
    test: Metrics
    seconds: Durations
    epochs: Count = 0
    peak_rss_mb: Seconds | None = None
    peak_gpu_mb: Seconds | None = None


class EvidenceEntry(Schema):
    """An entry of the file of evidence, see :class:`soil_bench.runs.equivalence.Evidence`."""

    model: Annotated[str, Field(pattern=NAME)]
    run: str
    codes: Annotated[list[str], Field(min_length=2, max_length=2)]
    metrics: Count
    machine: str
    date: str


EVIDENCE_ENTRIES = TypeAdapter(list[EvidenceEntry])
"""The content of the file of evidence."""
