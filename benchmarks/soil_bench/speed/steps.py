"""Milliseconds of a training step of each model beside its roofline: the operations that the step
performs, at rates of this machine.

Matrix products, exponentials, random numbers, the rows that edges gather, rows that are copied, and
the optimizer's traffic count; elementwise operations, sorts and tables that may fit into the cache
do not. Each model has a process of its own; finished ones are stored and not repeated.
"""

from pathlib import Path

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from soil_bench.runs.arguments import (
    ALL,
    add_data,
    add_profile,
    make_console,
    make_parser,
    names_or_all,
)
from soil_bench.runs.results import Record
from soil_bench.runs.run_job import load_data
from soil_bench.runs.tables import Report, markdown, print_report, short
from soil_bench.speed.arguments import add_measurement_arguments
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_pyg.utils.files import write_json
from soil_pyg.workflow.options import ModelOptions

PARTS = {
    "flop": "products",
    "exp": "exponentials",
    "random": "random numbers",
    "edge_bytes": "edges",
    "gather_bytes": "rows",
    "adam_bytes": "Adam",
}
"""The columns of the parts of the roofline."""
LONGEST = 3
"""The number of operations that are named."""


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    out = Path(arguments.out)
    names = names_or_all(arguments.models, "schedule")
    profiles = {name: _profile(name, arguments.profile) for name in names}
    load_data(arguments.dataset, arguments.root)
    measurements = Measurements(out / "steps.jsonl", console, arguments.rerun)
    rows = []
    for name in names:
        settings = {
            "name": name,
            "profile": profiles[name],
            "dataset": arguments.dataset,
            "root": arguments.root,
            "steps": arguments.steps,
        }
        measurement = Measurement("soil_bench.speed.step_worker:train_steps", settings)
        found = measurements.measure(measurement, {})
        if found is not None:
            rows.append({"model": name, **found})
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        "dataset": arguments.dataset,
        "rows": rows,
    }
    write_json(out / "steps.json", record)
    print_report(steps_report(record), console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("steps", __doc__)
    parser.add_argument(
        "--models",
        default=ALL,
        help=f"names, separated by commas; '{ALL}' names all that are trained (default: {ALL})",
    )
    add_profile(parser)
    add_data(parser)
    parser.add_argument("--steps", type=PositiveInt, default=20, help="number of steps")
    add_measurement_arguments(parser)
    return parser.parse_args(argv)


def steps_report(record: Record) -> Report:
    """Returns the table of a record, the model nearest to its roofline first."""
    rows = sorted(record["rows"], key=lambda row: row["seconds"] / row["roofline"])
    shown = [part for part in PARTS if any(part in row["parts"] for row in rows)]
    lines = [
        [
            row["model"],
            short(1000 * row["seconds"]),
            short(1000 * row["roofline"]),
            f"{row['seconds'] / row['roofline']:.1f}",
            *(short(1000 * row["parts"].get(part, 0.0)) for part in shown),
            ", ".join(_longest(row["profile"])),
        ]
        for row in rows
    ]
    columns = ["model", "ms", "roofline", "ratio", *(PARTS[part] for part in shown), "longest"]
    notes = [
        "Medians; the parts of the roofline in ms; longest: the operations that take most of a "
        "step, and their share of it."
    ]
    return Report(f"A training step on {record['dataset']}", columns, lines, notes)


def steps_lines(record: Record) -> list[str]:
    """Returns the lines of the page of a record."""
    return markdown(steps_report(record))


def _profile(name: str, given: str) -> str | None:
    return given if ModelOptions(name).model_class.profiles else None


def _longest(profile: Record) -> list[str]:
    found = list(profile["operations_ms"].items())[:LONGEST]
    return [f"{name.removeprefix('aten::')} {ms / profile['step_ms']:.0%}" for name, ms in found]
