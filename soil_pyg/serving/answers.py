"""The answers to requests as JSON values, with the original ids and the titles of items."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from soil_pyg.models.explanation import Explanation
from soil_pyg.serving.errors import RequestError
from soil_pyg.serving.served_run import ServedRun
from soil_pyg.typing import ITEM

Json = dict[str, Any]


def locate(run: ServedRun, kind: str, ids: Sequence[str], name: str, advice: str = "") -> Tensor:
    """Returns the positions of ids of a node type; :obj:`name` is the parameter that gives them.

    Raises :class:`~soil_pyg.serving.errors.RequestError` for the first id that is unknown. Unlike
    the verbs it names no other ids, which are not for everyone.
    """
    index = run.ids[kind]
    places = [index.find(text) for text in ids]
    if -1 in places:
        unknown = ids[places.index(-1)]
        advice = advice or "check the id"
        raise RequestError(404, f"'{name}': the run has no {kind} '{unknown}': {advice}")
    return torch.tensor(places)


def id_of(run: ServedRun, kind: str, place: int) -> Any:
    """Returns the original id of a user or an item."""
    found = run.ids[kind].known[place]
    return found.item() if hasattr(found, "item") else found


def item_of(run: ServedRun, place: int, name: str = ITEM) -> Json:
    """Returns the id and, if the data has titles, the title of an item."""
    out: Json = {name: id_of(run, ITEM, place)}
    if run.titles is not None:
        out["title"] = run.titles[place]
    return out


def ranked(run: ServedRun, kind: str, places: list[int], scores: list[float]) -> list[Json]:
    """Returns the rows of a ranking."""
    rows = enumerate(zip(places, scores, strict=True), start=1)
    if kind == ITEM:
        return [{"rank": n, **item_of(run, at), "score": score} for n, (at, score) in rows]
    return [{"rank": n, kind: id_of(run, kind, at), "score": score} for n, (at, score) in rows]


def explained(run: ServedRun, item: int, found: Explanation, by: str) -> Json:
    """Returns the parts of a score, summed per item or per modality if :obj:`by` says so."""
    tables = {"item": found.by_item, "modality": found.by_modality}
    parts = tables[by]() if by in tables else found.parts
    return {
        "user": found.user,
        **item_of(run, item),
        "score": found.score,
        "total": found.total,
        "parts": _with_titles(run, parts),
    }


def _with_titles(run: ServedRun, parts: pd.DataFrame) -> list[Json]:
    rows: list[Json] = [{str(k): v for k, v in row.items()} for row in parts.to_dict("records")]
    for row in rows:
        if row.get("via") is not None and run.titles is not None:
            value = row.pop("value")
            row["via_title"] = run.titles[run.ids[ITEM].find(str(row["via"]))]
            row["value"] = value
    return rows
