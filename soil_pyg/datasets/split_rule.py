"""The rule by which :func:`soil_pyg.prepare` splits interactions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from soil_pyg.datasets.ids import Ids, find_ids
from soil_pyg.datasets.known_split import KnownSplit
from soil_pyg.datasets.split import TIMED, check_split, is_tied, split_pairs
from soil_pyg.typing import SPLITS
from soil_pyg.utils.checks import check_integer

RATIOS = (0.8, 0.1, 0.1)
"""The default shares of train, val and test."""


@dataclass(frozen=True)
class SplitRule:
    """The options of a split, with defaults filled in. A given split has a column instead of a
    kind. Known pairs keep their split.
    """

    split: str | None
    split_column: str | None
    time_column: str | None
    ratios: tuple[float, ...]
    seed: int
    known: KnownSplit | None = None

    @classmethod
    def resolve(
        cls,
        split: str | None,
        split_column: str | None,
        time_column: str | None,
        ratios: Sequence[float] | None,
        seed: int | None,
        known: KnownSplit | None,
    ) -> "SplitRule":
        """Fills in the options that are not given: with those of the known data, or else with the
        defaults. Raises :class:`ValueError` if options contradict each other or the known data.
        """
        if seed is not None:
            check_integer("seed", seed, 0)
        if known is not None:
            if split_column is not None:
                raise ValueError(
                    "'split_column' (--split-column) must not be given with 'like' (--like) "
                    f"(got {split_column!r})"
                )
            split, ratios, seed = _like(split, ratios, seed, known)
            if split in TIMED and time_column is None:
                time_column = known.arguments.get("time_column")
        elif split == "last" or split_column is not None:
            _refuse_ratios(ratios)
        ratios = RATIOS if ratios is None else ratios
        check_split(split_column, split, time_column, ratios)
        if split is None and split_column is None:
            split = "random"
        return cls(split, split_column, time_column, tuple(ratios), seed or 0, known)

    @property
    def arguments(self) -> dict[str, Any]:
        """The options as JSON values."""
        options = {name: getattr(self, name) for name in ("split", "split_column", "time_column")}
        return options | {"ratios": [float(share) for share in self.ratios], "seed": int(self.seed)}

    def given(self, column: str, ratios: Sequence[float] | None) -> "SplitRule":
        """Returns the rule for a source that has a split; raises :class:`ValueError` if shares were
        given.
        """
        _refuse_ratios(ratios)
        return replace(self, split=None, split_column=column)

    def apply(
        self, frame: pd.DataFrame, user_column: str, item_column: str, item_id: np.ndarray
    ) -> tuple[pd.DataFrame, str, dict[str, Any]]:
        """Returns selected pairs with the labels of their split in a column, the name of the column
        and a description of the split as JSON values.

        If pairs are known, a random split draws a place among all pairs of the user for each new
        one, so that it is held out as often as without known pairs. The other kinds split the new
        pairs as if there were no others: they are later than most of the known ones, so that a
        split of all pairs would leave few of them for training. Raises :class:`ValueError` if no
        known pair is among the pairs.
        """
        if self.split_column is not None:
            return frame, self.split_column, {"tied": {"pairs": 0, "share": 0.0}}
        user, item = (
            Ids(frame[column].cat.codes.to_numpy(np.int64), frame[column].cat.categories.to_numpy())
            for column in (user_column, item_column)
        )
        item = Ids(find_ids(item.values, item_id)[item.position], item_id)
        time = None if self.time_column is None else frame[self.time_column].to_numpy()
        known = (
            np.full(len(frame), -1, dtype=np.int8)
            if self.known is None
            else self.known.labels(user, item)
        )
        if self.known is not None and known.max() < 0:
            raise ValueError(
                "'like' (--like) shares no pair of user and item with the interactions: they must "
                "hold the known pairs and the new ones"
            )
        label = self._labels(known, user, item, time)
        # A name that differs from all columns.
        column = f"{user_column} {item_column} split"
        labelled = frame[[user_column, item_column]].assign(**{column: label})
        return labelled, column, self._describe(label, known, user.position, time)

    def _labels(
        self, known: np.ndarray, user: Ids, item: Ids, time: np.ndarray | None
    ) -> np.ndarray:
        assert self.split is not None
        if self.known is None:
            return split_pairs(user, item, self.split, time, self.ratios, self.seed)
        rows = np.arange(len(known)) if self.split == "random" else np.flatnonzero(known < 0)
        label = known.copy()
        if rows.size > 0:
            user, item = (Ids(ids.position[rows], ids.values) for ids in (user, item))
            time = None if time is None else time[rows]
            label[rows] = split_pairs(user, item, self.split, time, self.ratios, self.seed)
        return np.where(known < 0, label, known)

    def _describe(
        self, label: np.ndarray, known: np.ndarray, user: np.ndarray, time: np.ndarray | None
    ) -> dict[str, Any]:
        # Users without training interactions will be dropped.
        left = (np.bincount(user[label == 0], minlength=user.max() + 1) > 0)[user]
        new = np.flatnonzero(left & (known < 0))
        num_held_out, num_tied = int((label[new] > 0).sum()), 0
        if time is not None:
            tied = is_tied(label[new], time[new], user[new] if self.split == "last" else None)
            num_tied = int((tied & (label[new] > 0)).sum())
        share = num_tied / max(num_held_out, 1)
        description: dict[str, Any] = {"tied": {"pairs": num_tied, "share": share}}
        if self.known is not None:
            kept = _per_split(label[left & (known >= 0)])
            gone = {name: n - kept[name] for name, n in _per_split(self.known.label).items()}
            counts = {"kept": kept, "new": _per_split(label[new]), "gone": gone}
            description["like"] = {"digest": self.known.digest, **counts}
        return description


def _like(
    split: str | None, ratios: Sequence[float] | None, seed: int | None, known: KnownSplit
) -> tuple[str, Sequence[float] | None, int | None]:
    if known.split is None:
        if split is None:
            raise ValueError(
                "'split' (--split) must be the kind of split of the new pairs, because that of "
                "'like' (--like) was given by a column"
            )
        return split, ratios, seed
    given = {"split": split, "ratios": ratios and list(ratios), "seed": seed}
    then = {name: known.arguments.get(name) for name in given} | {"split": known.split}
    for name, value in given.items():
        if value is not None and value != then[name]:
            raise ValueError(
                f"'{name}' (--{name}) must be left out or be that of 'like' (--like), "
                f"{then[name]!r} (got {value!r})"
            )
    return known.split, then["ratios"], then["seed"]


def _refuse_ratios(ratios: Sequence[float] | None) -> None:
    if ratios is not None:
        raise ValueError(
            "'ratios' (--ratios) must be given with the splits 'random' and 'time' only "
            f"(got {tuple(ratios)}); set 'split' (--split)"
        )


def _per_split(label: np.ndarray) -> dict[str, int]:
    return dict(zip(SPLITS, np.bincount(label, minlength=len(SPLITS)).tolist(), strict=True))
