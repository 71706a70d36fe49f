"""A self-contained page on a run or on a folder of runs."""

import logging
import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import load_description, load_item_table
from soil_pyg.ranking.held_out import held_out
from soil_pyg.reports.analysis import Analysis, analyse
from soil_pyg.reports.chart import MAX_SERIES
from soil_pyg.reports.data_sections import data_section, graph_section, list_section
from soil_pyg.reports.reasons import Reasons
from soil_pyg.reports.render import import_extra, render
from soil_pyg.reports.run_sections import Scope, run_sections
from soil_pyg.reports.runs import find_runs, group_runs, selection_metric
from soil_pyg.reports.users import ItemCards, choose_users, user_panels
from soil_pyg.runs.checkpoint import load
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS, ITEM
from soil_pyg.utils.checks import check_integer, check_path
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.files import write_text
from soil_pyg.workflow.ids import find_positions
from soil_pyg.workflow.run_data import load_run_data, run_transform

MAX_ITEMS = 20_000
MAX_PAIRS = 1_000_000
"""Limits beyond which the graphs take long to rebuild and are left out."""

logger = logging.getLogger("soil_pyg")


def report(
    run_or_folder: str | os.PathLike[str],
    out: str | os.PathLike[str] = "report.html",
    data: HeteroData | str | os.PathLike[str] | None = None,
    num_users: int = 6,
    users: Iterable[Any] | os.PathLike[str] | None = None,
) -> Path:
    r"""Writes a self-contained page on a run, or on all runs in the sub-folders of a folder.

    The page shows metrics with their deviations over seeds, learning curves, recall by item
    popularity and history length, coverage and novelty, the data and its graphs, a few users with
    their recommendations, settings and versions. If the data is not found, the sections that
    require it are left out.

    Args:
        run_or_folder (str or os.PathLike): The folder of a run, or a folder of such folders.
        out (str or os.PathLike): The :obj:`.html` file to write. (default: :obj:`"report.html"`)
        data (HeteroData, str or os.PathLike, optional): The data or its folder.
            (default: the folder that the runs were trained on)
        num_users (int): The number of users to show, evenly spaced from the shortest to the
            longest history. (default: :obj:`6`)
        users (iterable or os.PathLike, optional): The ids of the users to show instead, or a file
            of them. (default: :obj:`None`)

    Returns:
        The file.

    Raises:
        FileNotFoundError: If there is no run, or the given data does not exist.
        ValueError: If the runs use different data, the data is not theirs, a user is unknown, or a
            file is corrupt.
        OSError: If the file cannot be written.
        ImportError: If a package of the extra :obj:`report` is missing.
    """
    check_path("run_or_folder", run_or_folder)
    out = _check_out(out)
    check_integer("num_users", num_users, 0)
    import_extra()
    runs, unfinished = find_runs(run_or_folder)
    scope = Scope(group_runs(runs), selection_metric(runs))
    trained = load(scope.run.folder)
    content: dict[str, Any] = {
        "unfinished": [folder.name for folder in unfinished],
        "interrupted": [run.folder.name for run in runs if not run.content["finished"]],
        "max_series": MAX_SERIES,
        "version": import_module("soil_pyg").__version__,
        **dict.fromkeys(("data", "lists", "graphs", "panels", "cards")),
        "why_no_reasons": "",
        "why_no_data": "",
        "why_no_graphs": "",
        "are_users_given": users is not None,
    }
    found, folder, content["why_no_data"] = _find_data(trained, data)
    baseline = None
    if found is not None:
        pairs = held_out(found, scope.split)
        known = {scope.run.folder: trained}
        analysis = analyse(scope.groups[:MAX_SERIES], found, pairs, scope.ks, scope.k, known)
        scope, baseline = scope.with_intervals(analysis.intervals), analysis.baseline
        content |= _with_data(scope, trained, found, folder, analysis, num_users, users)
    elif users is not None:
        raise ValueError(f"'users' requires the data of the run: {content['why_no_data']}")
    else:
        logger.warning("Left out sections that require the data: %s", content["why_no_data"])
    content |= {"scope": scope, "baseline": baseline, **run_sections(scope, baseline)}
    write_text(out, render(content))
    return out


def _with_data(
    scope: Scope,
    trained: TrainedModel,
    data: HeteroData,
    folder: Path | None,
    analysis: Analysis,
    num_users: int,
    users: Iterable[Any] | os.PathLike[str] | None,
) -> dict[str, Any]:
    pairs = held_out(data, scope.split)
    if users is None:
        chosen = choose_users(data, pairs, num_users)
    else:
        # A table has the columns of the folder.
        source = data if folder is None else folder
        chosen = find_positions(users, trained.user_id, "users", "user", data=source).tolist()
    with_graphs, why_no_graphs = _make_graphs(trained, data)
    cards = ItemCards(trained.item_id, None if folder is None else load_item_table(folder))
    known = data if with_graphs is None else with_graphs
    reasons = None if with_graphs is None else Reasons(trained, with_graphs)
    panels = user_panels(trained, known, pairs, chosen, cards, reasons)
    return {
        "data": data_section(data, None if folder is None else load_description(folder)),
        "lists": list_section(scope, data, analysis),
        "graphs": None if with_graphs is None else graph_section(with_graphs),
        "why_no_graphs": why_no_graphs,
        "panels": panels,
        "why_no_reasons": "" if reasons is None else reasons.missing,
        "cards": cards,
    }


def _find_data(
    trained: TrainedModel, data: HeteroData | str | os.PathLike[str] | None
) -> tuple[HeteroData | None, Path | None, str]:
    source = trained.settings.get("data") if data is None else data
    if source is None:
        return None, None, "The run does not record a data folder: give 'data' (--data)"
    try:
        found = load_run_data(trained, data)
    except FileNotFoundError as error:
        if data is not None:
            raise
        return None, None, str(error)
    return found, None if isinstance(source, HeteroData) else Path(source), ""


def _make_graphs(trained: TrainedModel, data: HeteroData) -> tuple[HeteroData | None, str]:
    num_items, num_pairs = count_nodes(data, ITEM), data[INTERACTS].edge_index.size(1)
    if num_items > MAX_ITEMS or num_pairs > MAX_PAIRS:
        return None, (
            f"Left out, as they take long to rebuild for more than {MAX_ITEMS:,} items or "
            f"{MAX_PAIRS:,} training interactions."
        )
    try:
        return run_transform(trained)(data), ""
    except ValueError as error:
        return None, f"Left out: {error}."


def _check_out(out: str | os.PathLike[str]) -> Path:
    check_path("out", out)
    out = Path(out).expanduser()
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"'out' (--out) must end in .html (got '{out}')")
    if out.is_dir():
        raise ValueError(f"'out' (--out) must be a file (got the folder '{out}')")
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"'out' (--out) must be in an existing folder (got '{out}')")
    return out
