"""The table and the record of a search."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from soil_bench.runs.tables import Report
from soil_bench.tuning.study import COMPLETE, FAILED, Trial

ORDER = [COMPLETE, FAILED]


def options_text(options: dict[str, Any]) -> str:
    """Returns the values of options as text."""
    return ", ".join(f"{name} {value}" for name, value in options.items())


def outcome_text(trial: Trial, winner: Trial | None, metric: str) -> str:
    """Returns the outcome of a trial as text."""
    if trial.value is None:
        return f"{trial.state}: {trial.error}"
    text = f"{trial.state} after {trial.epochs} epochs, val {metric} {trial.value:.4f}"
    if winner is None:
        return text
    return f"{text} (best {winner.value:.4f} in trial {winner.number})"


def report_of(trials: Sequence[Trial], winner: Trial, metric: str, title: str) -> Report:
    """Returns the table of the trials: complete ones first, by their values."""
    options = list(winner.options)
    ordered = sorted(trials, key=lambda t: (ORDER.index(t.state), -(t.value or 0.0), t.number))
    rows = [
        [
            str(trial.number),
            *(str(trial.options[name]) for name in options),
            "-" if trial.value is None else f"{trial.value:.4f}",
            str(trial.epochs),
            "winner" if trial is winner else trial.state,
        ]
        for trial in ordered
    ]
    notes = [f"Trial {t.number} failed: {t.error}" for t in ordered if t.state == FAILED]
    columns = ["trial", *options, f"val {metric}", "epochs", "state"]
    return Report(title, columns, rows, notes)


def record_of(trials: Sequence[Trial], winner: Trial) -> dict[str, Any]:
    """Returns the trials and the winner as JSON values."""
    return {
        "winner": _entry(winner),
        "num_trials": len(trials),
        "states": dict(Counter(trial.state for trial in trials)),
        "trials": [_entry(trial) for trial in trials],
    }


def summary(runs: Sequence[dict[str, Any]], split: str) -> dict[str, dict[str, float | None]]:
    """Returns mean and standard deviation of each metric; a single run has no deviation.

    Args:
        runs (list[dict[str, Any]]): The records of runs, one per seed.
        split (str): :obj:`"val"` or :obj:`"test"`.
    """
    found = {name: [run[split][name] for run in runs] for name in runs[0][split]}
    return {
        name: {"mean": fmean(values), "std": stdev(values) if len(values) > 1 else None}
        for name, values in found.items()
    }


def _entry(trial: Trial) -> dict[str, Any]:
    entry = {
        "number": trial.number,
        "settings": trial.options,
        "state": trial.state,
        "value": trial.value,
        "epochs": trial.epochs,
    }
    return entry | ({"error": trial.error} if trial.error else {})
