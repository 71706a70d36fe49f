import json
from pathlib import Path
from typing import Any

import pytest

from soil_bench.pages.speed import speed_sections

WRITTEN = "torch 2.13.0; machine A, 2 threads; date 2026-01-02."


def test_sections_of_the_files_that_are_there(
    tmp_path: Path, graphs_record: dict[str, Any], scale_record: dict[str, Any]
) -> None:
    assert speed_sections([tmp_path / "none"], tmp_path) == []
    records = tmp_path / "records"
    records.mkdir()
    (records / "scale.json").write_text(json.dumps(scale_record))
    (scale,) = speed_sections([tmp_path / "none", records], tmp_path)
    assert scale.startswith("## Scale\n\nSOIL, synthetic interactions")
    assert scale.endswith(f"\n\nWritten by `python benchmarks/run.py scale`. {WRITTEN}\n")
    (records / "scale.png").touch()
    (records / "graphs.json").write_text(json.dumps(graphs_record))
    graphs, scale = speed_sections([tmp_path / "none", records], tmp_path)
    assert graphs.startswith("## Graph building and training step\n\nSOIL, baby data")
    assert graphs.endswith(f"\n\nWritten by `python benchmarks/run.py graphs`. {WRITTEN}\n")
    assert scale.endswith(f"{WRITTEN}\n\n![Scale](records/scale.png)\n")
    assert (
        "![Scale](../records/scale.png)"
        in speed_sections([tmp_path / "none", records], tmp_path / "page")[1]
    )


@pytest.mark.parametrize("name", ["graphs", "scale", "libraries"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "KeyError"),
        ("null", "TypeError"),
    ],
)
def test_a_broken_file(name: str, content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=reason) as error:
        speed_sections([tmp_path], tmp_path)
    assert str(error.value).startswith(f"{path}: not a record of 'run.py {name}' (")
    assert str(error.value).endswith("); write it again or remove it")
