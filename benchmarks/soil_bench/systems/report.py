"""The tables of whole systems."""

from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, sections, short
from soil_bench.systems.contestants import NOWHERE, OURS
from soil_bench.systems.turns import LONG_SECONDS

NAMES = {"bpr": "BPR", "lightgcn": "LightGCN"}
COLUMNS = [
    "system",
    "train s",
    "evaluate s",
    "epoch s",
    f"/ {OURS}",
    "Recall@20",
    "by its own evaluator",
    "versions",
]


def systems_legend(record: Record) -> str:
    """Returns the work and the meaning of the columns as text.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py systems`.
    """
    found = record["settings"]
    clock = {
        "cpu": "CPU seconds of its process, which others on the machine hardly disturb",
        "wall": "seconds by the clock",
    }[_clock(record)]
    times = "one epoch and one evaluation"
    if found["epochs"] > 1:
        times = (
            f"medians of {found['epochs']} epochs and of as many evaluations (one that takes over "
            f"{LONG_SECONDS:g} s is not repeated)"
        )
    return (
        f"On cpu, {found['threads']} threads, seed {found['seed']}; {found['num_users']:,} users, "
        f"{found['num_items']:,} items; width {found['hidden_channels']}, batches of "
        f"{found['batch_size']:,} triplets, {found['num_layers']} layers, Adam with learning rate "
        f"{found['lr']:g} (SGD: {found['sgd_lr']:g}), regularisation {found['reg']:g} by each "
        f"system's own definition. Each system races {OURS}: the two train one epoch each in turn. "
        f"Times are {clock}, {times}. An evaluation is a full ranking of the val split by the "
        f"system's own evaluator. *epoch s* is the sum of training and evaluation; */ {OURS}* is "
        f"that sum divided by the sum of {OURS} in the same race. Recall@20 is that of the val "
        f"split after the last epoch, by the evaluator of {OURS} from the embeddings of the system."
    )


def systems_reports(record: Record) -> list[Report]:
    """Returns one table per model, the fastest epoch first.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py systems`.
    """
    reports = []
    for model in dict.fromkeys(race["model"] for race in record["races"]):
        races = [race["results"] for race in record["races"] if race["model"] == model]
        clock = _clock(record)
        entries = sorted(_entries(races, clock), key=lambda entry: entry[2])
        rows = [_row(*entry, clock) for entry in entries]
        notes = [
            f"{name}: {result['note']}"
            for race in races
            for name, result in race.items()
            if result["note"]
        ]
        notes += [
            f"{result['status']}: {name}: {result['reason']}"
            for race in races
            for name, result in race.items()
            if result["status"] != "ok"
        ]
        notes += [
            f"absent: {absent['name']}: {absent['reason']}"
            for absent in record["absent"]
            if absent["model"] == model
        ]
        if model == "lightgcn":
            notes += [f"absent: {name}: {reason}" for name, reason in NOWHERE.items()]
        title = f"{NAMES[model]} on {record['dataset']}"
        reports.append(Report(title, COLUMNS, rows, notes))
    return reports


def systems_lines(record: Record) -> list[str]:
    """Returns the section on whole systems.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py systems`.
    """
    return sections(systems_legend(record), systems_reports(record))


def _clock(record: Record) -> str:
    # Of one thread, both are the same on a quiet machine.
    return "cpu" if record["settings"]["threads"] == 1 else "wall"


def _entries(races: list[Record], clock: str) -> list[tuple[str, Record, float]]:
    """Returns the name, the result and the ratio to ours of each system that ended its race."""
    ours = [race[OURS] for race in races if race[OURS]["status"] == "ok"]
    entries = []
    if ours:
        # The race in which ours took its median time.
        middle = sorted(ours, key=lambda result: _epoch(result, clock))[(len(ours) - 1) // 2]
        entries.append((OURS, middle, 1.0))
    for race in races:
        for name, result in race.items():
            if name != OURS and {result["status"], race[OURS]["status"]} == {"ok"}:
                entries.append((name, result, _epoch(result, clock) / _epoch(race[OURS], clock)))
    return entries


def _epoch(result: Record, clock: str) -> float:
    return sum(float(task[clock]) for task in result["seconds"].values())


def _row(name: str, result: Record, ratio: float, clock: str) -> list[str]:
    own = result["own_recall"]
    return [
        name,
        *(short(result["seconds"][task][clock]) for task in ("train", "evaluate")),
        short(_epoch(result, clock)),
        f"{ratio:.2f}",
        f"{result['metrics']['recall@20']:.4f}",
        "-" if own is None else f"{own:.4f}",
        ", ".join(f"{package} {version}" for package, version in result["versions"].items()),
    ]
