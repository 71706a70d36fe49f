import json
from pathlib import Path
from typing import Any

from results import append_record


class Finished:
    """The file of finished measurements, one line of JSON each.

    Args:
        path (Path): The file, which need not exist.
        rerun (bool, optional): Whether to begin as if nothing had been measured.
            (default: :obj:`False`)

    Raises:
        ValueError: If a line of the file is not a measurement.
    """

    def __init__(self, path: Path, rerun: bool = False) -> None:
        self.path = path
        self._results = read_measurements(path)
        if rerun:
            self._results.clear()

    def get(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the result of a measurement, :obj:`None` if it is not finished.

        Args:
            identity (dict[str, Any]): JSON values that tell it from all others.
        """
        return self._results.get(_key(identity))

    def add(
        self, identity: dict[str, Any], result: dict[str, Any], versions: dict[str, Any]
    ) -> None:
        """Stores a result.

        Args:
            identity (dict[str, Any]): JSON values that tell the measurement from all others.
            result (dict[str, Any]): JSON values.
            versions (dict[str, Any]): With what it was measured, for who reads the file.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append_record(self.path, {"identity": identity, "result": result, "versions": versions})


def read_measurements(path: Path) -> dict[str, dict[str, Any]]:
    """Returns the finished measurements by a key of their identity, the last line of each.

    Args:
        path (Path): The file, which need not exist.

    Raises:
        ValueError: If a line is not a measurement.
    """
    records = {}
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            records[_key(dict(record["identity"]))] = dict(record["result"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path}, line {number}: not a measurement ({error!r}); remove the line"
            ) from error
    return records


def _key(identity: dict[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)
