"""Records of commands, read for the page of results and the figures of other pages."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from soil_bench.runs.results import Record, environment, read_records
from soil_bench.runs.selection import best_of, by_settings
from soil_pyg.utils.records import parse_json

T = TypeVar("T")
WHOLE = {"num_partitions": 1, "batches_per_step": 1}


class Records:
    """The finished runs, and the records of the other commands.

    Args:
        results (list[Path]): The files of finished runs; the records lie in the folder
            :obj:`"records"` beside the first one.
    """

    def __init__(self, results: Sequence[Path]) -> None:
        self.folder = results[0].parent / "records"
        self.runs = [run for path in results for run in read_records(path).values()]

    def record(self, name: str) -> Any:
        """Returns the record of a command."""
        return parse_json((self.folder / f"{name}.json").read_bytes())

    def datasets(self) -> list[str]:
        """Returns the names of the data sets of the runs."""
        return sorted({run["dataset"] for run in self.runs})

    def best(
        self, dataset: str, model: str, profile: str | None = None, **settings: Any
    ) -> list[Record]:
        """Returns the runs of the settings with the best val metric, or nothing if there are none.

        Args:
            dataset (str): The data set.
            model (str): The model.
            profile (str, optional): The profile. (default: :obj:`None`)
            **settings: Settings that the runs have.
        """
        wanted = (WHOLE | settings).items()
        runs = [
            run
            for run in self.runs
            if (run["dataset"], run["model"], run["profile"]) == (dataset, model, profile)
            and all(run["settings"][name] == value for name, value in wanted)
        ]
        # Of several versions of the data, the last one that was run counts.
        groups = by_settings(run for run in runs if run["data_digest"] == runs[-1]["data_digest"])
        return best_of(groups) if groups else []


def read_as(path: Path, command: str, read: Callable[[Any], T]) -> T:
    """Returns the result of a function of the record in a file.

    Raises:
        ValueError: If the function fails, because the file is not such a record.
    """
    try:
        return read(parse_json(path.read_bytes()))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path}: not a record of 'run.py {command}' ({error!r}); write it again or remove it"
        ) from error


def written_by(command: str, data: str, record: Record) -> list[str]:
    """Returns the line of the page on the origin of a record, and an empty one."""
    where = "; ".join(environment([record]))
    return [f"Written by `python benchmarks/run.py {command}`.{data} {where}.", ""]
