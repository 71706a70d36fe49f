"""The table of accuracy as the features of items go missing."""

from typing import Any

from report import Report
from results import mean_std

Record = dict[str, Any]
INTACT = "0"
LEAVE_OUT, ZERO, MEAN, WITHOUT = "leave out", "zero", "mean", "reads no features"
METRICS = ("recall@20", "ndcg@20")


def missing_report(record: Record) -> Report:
    """Returns the table: a row a model, treatment and metric, a column a share.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py missing`.
    """
    rates = record["rates"]
    rows = []
    for model, treatments in record["values"].items():
        for treatment, by_rate in treatments.items():
            # What is done does not matter where nothing is missing.
            shared = {} if treatment == WITHOUT else treatments[LEAVE_OUT]
            for metric in METRICS:
                found = [
                    by_rate.get(rate, shared.get(rate) if rate == INTACT else None)
                    for rate in rates
                ]
                cells = [mean_std(values[metric], 4) if values else "-" for values in found]
                rows.append([model, treatment, metric, *cells])
    seeds = f"{record['seeds']} seeds" if record["seeds"] > 1 else "one seed"
    limit = "" if record["epochs"] is None else f", at most {record['epochs']} epochs a run"
    notes = [
        "leave out: not in the graphs of that modality; zero: in them, similar to itself alone; "
        "mean: with the mean of the others' features",
        "mean ± sample standard deviation over seeds; 0 is the data as it is",
    ]
    columns = ["model", "missing", "metric", *(f"{float(rate):.0%}" for rate in rates)]
    title = f"Features that go missing, {record['dataset']}, {seeds}{limit}"
    return Report(title, columns, rows, notes)
