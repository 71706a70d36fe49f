"""The command :obj:`soil-pyg compare`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import output
from soil_pyg.configs import available_configs
from soil_pyg.reports.paper_table import bibtex, paper_table, rows_of_runs
from soil_pyg.workflow.compare import compare

EXAMPLES = """\
examples:
  soil-pyg compare runs/soil runs/lightgcn
  soil-pyg compare runs/* --out runs.csv
  soil-pyg compare runs/* --format latex --metrics recall@10 --out runs.tex"""

Format = Literal["table", "csv", "json", "jsonl", "parquet", "markdown", "latex"]
MEAN = "Test metrics, mean ± sample standard deviation over seeds"
METRICS = ["recall@20", "ndcg@20"]
PAPER = ("markdown", "latex")


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("runs", nargs="+", help="folders of the runs")
    output.add_arguments(parser, Format)
    parser.add_argument(
        "--metrics",
        nargs="+",
        help=f"test metrics of the formats {' and '.join(PAPER)} (default: {' '.join(METRICS)})",
    )
    parser.add_argument("--bibtex", help="file to write the papers of the models to")


def run(arguments: Namespace) -> None:
    """Compares and writes the table: one column per run for people, one row for machines, and one
    row per model and setting, with its seeds, for papers.
    """
    file_format = output.check_arguments(arguments)
    metrics = arguments.metrics or METRICS
    if arguments.metrics is not None and file_format not in PAPER:
        raise ValueError(
            f"'metrics' (--metrics) requires --format {' or '.join(PAPER)} (got {file_format})"
        )
    if len(set(metrics)) < len(metrics):
        raise ValueError(f"'metrics' (--metrics) must name each metric once (got {metrics})")
    if arguments.bibtex is not None:
        output.check("table", arguments.bibtex, "--bibtex")
    frame = compare(arguments.runs)
    if arguments.bibtex is not None:
        names = dict.fromkeys(name.lower() for name in frame["model"])
        entries = [bibtex(name) for name in names if name in available_configs()]
        output.write_text("\n".join(entries), arguments.bibtex)
    if file_format in PAPER:
        rows = rows_of_runs(frame, metrics)
        output.write_text(paper_table(rows, [MEAN], file_format), arguments.out)
        return
    if file_format == "table":
        frame = frame.set_index("run").astype(object).T.rename_axis("", axis=0).reset_index()
    output.write(frame, file_format, arguments.out)
