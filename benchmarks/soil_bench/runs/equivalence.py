"""Versions of the code that are known to give equal results, and the runs that have shown it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from soil_bench.runs.results import Record, identity, read_records, run_key, upgraded
from soil_bench.runs.schema import EVIDENCE_ENTRIES
from soil_pyg.utils.files import write_json
from soil_pyg.utils.records import DamagedFileError, check_regular, first_fault, parse_json

EVIDENCE = Path(__file__).parents[2] / "records" / "same-results.json"


@dataclass(frozen=True)
class Evidence:
    """A run that two versions of the code have made with equal metrics, to the last digit.

    Args:
        model (str): The model.
        run (str): The key of the first version's run.
        codes (list[str]): The digests of both versions.
        metrics (int): The number of metrics of the val and the test split.
        machine (str): The machine of the second version's run.
        date (str): The day of the second version's run.
    """

    model: str
    run: str
    codes: list[str]
    metrics: int
    machine: str
    date: str


def read_evidence(path: Path = EVIDENCE) -> list[Evidence]:
    """Returns the evidence of a file, which need not exist.

    Raises:
        ValueError: If the file holds something else.
    """
    if not path.exists():
        return []
    remedy = "move it away; 'run.py verify' finds the evidence again"
    check_regular(path, remedy)
    try:
        entries = EVIDENCE_ENTRIES.validate_python(parse_json(path.read_bytes()))
    except (ValueError, RecursionError) as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else str(error)
        raise DamagedFileError(path, f"is no evidence ({reason})", remedy) from error
    return [Evidence(**entry.model_dump()) for entry in entries]


def write_evidence(found: list[Evidence], path: Path = EVIDENCE) -> None:
    """Writes evidence to a file."""
    write_json(path, [asdict(entry) for entry in found])


class SameResults:
    """The classes of versions with equal results, as far as there is evidence.

    Args:
        found (list[Evidence]): The evidence.
    """

    def __init__(self, found: list[Evidence]) -> None:
        self._parent: dict[tuple[str, str], str] = {}
        for entry in found:
            self.join(entry)

    def join(self, entry: Evidence) -> None:
        """Joins the classes of both versions."""
        first, second = (self.of(entry.model, code) for code in entry.codes)
        self._parent[entry.model, second] = first

    def of(self, model: str, code: str) -> str:
        """Returns the version that stands for the class of a version."""
        while (parent := self._parent.get((model, code), code)) != code:
            code = parent
        return code


class FinishedRuns:
    """The finished runs of a file, found by today's settings and by code with equal results.

    Args:
        path (Path): The file, which need not exist.
        evidence (Path, optional): The file of evidence. (default: :obj:`EVIDENCE`)

    Raises:
        ValueError: If a line is not the record of a run.
    """

    def __init__(self, path: Path, evidence: Path = EVIDENCE) -> None:
        self.records = read_records(path)
        self._same = SameResults(read_evidence(evidence))
        self._keys = {self._result_of(record): key for key, record in self.records.items()}

    def find(self, record: Record) -> str | None:
        """Returns the key of the finished run with the same result, :obj:`None` if there is none.

        Args:
            record (dict[str, Any]): The part of a run's record that is known beforehand.
        """
        key = run_key(record)
        return key if key in self.records else self._keys.get(self._result_of(upgraded(record)))

    def _result_of(self, record: Record) -> tuple[str, str]:
        return identity(record), self._same.of(record["model"], record["versions"]["code"])
