"""The schemas of the files of a run, and the sizes that must fit each other."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, JsonValue, model_validator
from typing_extensions import Self

from soil_pyg.utils.records import Count, Finite, Schema, Sha256

FORMAT = 1
"""The version of the format of the folder."""

REMEDY = "repeat the 'soil-pyg train' of the run with --overwrite (in Python overwrite=True)"
"""The command that replaces a damaged run."""

WEIGHTS = "model.safetensors"
EMBEDDINGS = "embeddings.safetensors"
IDS = "ids.safetensors"
FORMER_IDS = "ids.json"
"""The ids in runs of earlier versions, as lists."""
PAIRS = "trained_pairs.safetensors"
"""The hashes of the pairs that the run was trained on, which runs of earlier versions lack."""

Metrics = dict[str, Annotated[Finite, Field(ge=0)]]
Size = Annotated[int, Field(ge=1, lt=2**31)]
Seconds = Annotated[Finite, Field(ge=0)]


class Data(Schema):
    """The data of a run; earlier versions kept its name and digest alone."""

    name: str
    digest: str
    content: str | None = None
    held_out: str | None = None


class Epoch(Schema):
    """An entry of the history."""

    epoch: Size
    loss: dict[str, Finite]
    val: Metrics


class Durations(Schema):
    """The seconds of a run."""

    train: Seconds
    evaluate: Seconds
    total: Seconds


class Result(Schema):
    """A :class:`~soil_pyg.runs.training_run.TrainResult`."""

    best_epoch: Count
    epochs: Count
    val: Metrics
    test: Metrics
    history: list[Epoch]
    seconds: Durations

    @model_validator(mode="after")
    def _check_epochs(self) -> Self:
        if [entry.epoch for entry in self.history] != list(range(1, self.epochs + 1)):
            raise ValueError(f"'history' must hold the {self.epochs} epochs in order")
        if self.best_epoch > self.epochs:
            raise ValueError(f"'best_epoch' must be one of {self.epochs} (got {self.best_epoch})")
        return self


class ModelSizes(Schema):
    """The options of a model: the sizes of the data, and others of any kind."""

    model_config = ConfigDict(extra="allow")

    num_users: Size
    num_items: Size


class TrainerOptions(Schema):
    """The options of a trainer, some of which :func:`soil_pyg.evaluate` reads."""

    model_config = ConfigDict(extra="allow")

    ks: Annotated[list[Size], Field(min_length=1)]
    metric: str
    seed: Count


class Identity(Schema):
    """The model, the data and the settings of a run."""

    model: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    options: dict[str, JsonValue]
    settings: dict[str, JsonValue]
    trainer: dict[str, JsonValue]
    data: Data


class Digests(Schema):
    """The digests of the other files in the folder."""

    weights: Annotated[Sha256, Field(alias=WEIGHTS)]
    embeddings: Annotated[Sha256, Field(alias=EMBEDDINGS)]
    ids: Annotated[Sha256 | None, Field(alias=IDS)] = None
    former_ids: Annotated[Sha256 | None, Field(alias=FORMER_IDS)] = None
    pairs: Annotated[Sha256 | None, Field(alias=PAIRS)] = None

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        if (self.ids is None) == (self.former_ids is None):
            raise ValueError(f"must have either '{IDS}' or '{FORMER_IDS}'")
        return self


class RunRecord(Identity, Result):
    """The content of :obj:`run.json`."""

    format: Literal[1]
    finished: bool
    versions: dict[str, str]
    files: Digests

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        ModelSizes.model_validate(self.options)
        TrainerOptions.model_validate(self.trainer)
        return self


class ShardSizes(Schema):
    """The numbers of files that hold the tables of the last and of the best epoch."""

    last: Size
    best: Size


class StateRecord(Schema):
    """The metadata of the state of a run that has not finished; :obj:`shards` if its tables are in
    files of their own.
    """

    identity: Identity
    result: Result
    shards: ShardSizes | None = None


class TensorHeader(Schema):
    """The header of a file of tensors: the sizes of those that are sparse, a JSON value, and the
    digest of both and of all tensors, which files of earlier versions lack.
    """

    format: Literal[1]
    sparse: dict[str, list[Count]]
    metadata: JsonValue
    sha256: Sha256 | None = None


class Ids(Schema):
    """The original ids of users or items."""

    dtype: Annotated[str, Field(pattern=r"^([<|>]?[biuf](1|2|4|8)|[<>]U\d{1,9}|\|O)$")]
    id: list[str | int | float | bool]

    def array(self) -> np.ndarray:
        """Returns the ids as an array; raises :class:`ValueError` if they are of other types."""
        kind = self.dtype.lstrip("<>|")[0]
        accepted: dict[str, Any] = {"b": bool, "i": int, "u": int, "f": (int, float), "U": str}
        if kind in accepted and not all(isinstance(value, accepted[kind]) for value in self.id):
            raise ValueError(f"the ids must be of type {self.dtype}")
        try:
            # The width of strings follows from the strings, whatever the file says.
            return np.array(self.id, dtype="U" if kind == "U" else self.dtype)
        except (ValueError, TypeError, OverflowError, MemoryError) as error:
            raise ValueError(f"the ids are not of type {self.dtype}") from error


class IdRecord(Schema):
    """The content of :obj:`ids.json`, in runs of earlier versions."""

    user: Ids
    item: Ids
