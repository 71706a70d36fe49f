import json
from pathlib import Path

import pytest

from soil_bench.speed.store import Finished


def test_the_last_result_of_an_identity(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.jsonl"
    finished = Finished(path)
    assert finished.get({"size": 3}) is None
    assert not path.parent.exists()
    for seconds in (1.0, 2.0):
        finished.add({"size": 3, "turn": 0}, {"seconds": seconds}, {"date": "today"})
    assert json.loads(path.read_text().splitlines()[0]) == {
        "identity": {"size": 3, "turn": 0},
        "result": {"seconds": 1.0},
        "versions": {"date": "today"},
    }
    again = Finished(path)
    assert again.get({"turn": 0, "size": 3}) == {"seconds": 2.0}
    assert again.get({"turn": 1, "size": 3}) is None
    assert Finished(path, rerun=True).get({"turn": 0, "size": 3}) is None


@pytest.mark.parametrize("rerun", [False, True])
def test_a_line_that_is_no_measurement(rerun: bool, tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text('{"identity": {}, "result": {}}\n[]\n')
    with pytest.raises(ValueError, match=r"line 2: not a measurement .*; remove the line"):
        Finished(path, rerun)
