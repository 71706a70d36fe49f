import contextlib
import errno
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import date
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soil_bench.runs.results import (
    Record,
    append_record,
    machine_and_date,
    mean_std,
    print_table,
    read_records,
    run_key,
    upgraded,
    versions_and_code,
)
from soil_bench.runs.verify import RESULTS
from soil_pyg.configs import load_config
from soil_pyg.workflow.options import ModelOptions


def record(**changes: Any) -> dict[str, Any]:
    metrics = {"recall@10": 0.1, "recall@20": 0.2, "ndcg@10": 0.05, "ndcg@20": 0.06}
    return {
        "model": "soil",
        "profile": "released",
        "dataset": "tiny",
        "data_digest": "0123456789abcdef",
        "seed": 0,
        "settings": {"k": 10},
        "versions": {
            "torch": "2.13.0",
            "code": "c0de",
            "machine": "A, 2 threads",
            "date": "2026-01-02",
        },
        "best_epoch": 3,
        "epochs": 4,
        "val": metrics,
        "test": metrics,
        "seconds": {"total": 2.0},
    } | changes


@pytest.mark.parametrize(
    "change",
    [
        {"model": "bpr"},
        {"profile": "paper"},
        {"dataset": "other"},
        {"data_digest": "other"},
        {"seed": 1},
        {"settings": {"k": 11}},
        {"versions": {"torch": "2.13.0", "code": "other"}},
    ],
)
def test_key_depends_on_what_decides_the_result(change: dict[str, Any]) -> None:
    assert run_key(record(**change)) != run_key(record())


def test_key_is_readable_and_does_not_depend_on_the_result() -> None:
    assert run_key(record()).startswith("soil-tiny-seed0-")
    assert run_key(record(best_epoch=9, test={}, seconds={})) == run_key(record())
    assert run_key(record(model="package.module:Mine")).startswith("mine-tiny-seed0-")


def test_code_digest_covers_the_file_of_the_model(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.py"
        path.write_text(f"from soil_pyg.models import BPR\nclass Mine(BPR):\n    {name} = 1\n")
        spec = spec_from_file_location("results_models", path)
        module = module_from_spec(spec)
        sys.modules["results_models"] = module
        spec.loader.exec_module(module)
        digests.append(versions_and_code(module.Mine)["code"])
    del sys.modules["results_models"]
    assert digests[0] != digests[1]
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in digests)


def test_records_come_back_the_last_of_each_key(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read_records(path) == {}
    runs = [record(best_epoch=1), record(seed=1), record(best_epoch=2)]
    for run in runs:
        append_record(path, run)
    assert path.read_text().count("\n") == 3
    expected = {run_key(record()): runs[2], run_key(record(seed=1)): runs[1]}
    found = read_records(path)
    assert found == {key: upgraded(run) for key, run in expected.items()}
    # The latest line comes last.
    assert list(found) == [run_key(record(seed=1)), run_key(record())]


@pytest.mark.parametrize("line", ["{", "[]", '{"model": "soil"}', "", "1"])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(record()) + "\n" + line + "\n")
    with pytest.raises(ValueError, match=r"results\.jsonl, line 2: not the record of a run"):
        read_records(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", 5),
        ("model", "os:system; x"),
        ("seed", -1),
        ("seed", True),
        ("settings", None),
        ("versions", {"code": 3}),
        ("best_epoch", 1e30),
        ("test", {"recall@20": "0.1"}),
        ("val", []),
        ("seconds", {}),
        ("peak_rss_mb", -1.0),
    ],
)
def test_a_value_of_another_type_is_named(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "results.jsonl"
    append_record(path, record())
    append_record(path, record(**{name: value}))
    with pytest.raises(ValueError, match=rf"line 2: .*{name}.*sed -i 2d"):
        read_records(path)


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_record(path, record())
    expected, content = read_records(path), path.read_bytes()
    for bit in range(0, 8 * len(content), 5):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with contextlib.suppress(ValueError):
            assert read_records(path) == expected


def test_the_remedy_removes_the_line(tmp_path: Path) -> None:
    path = tmp_path / "the results.jsonl"
    for content in (b"[" * 200_000, b"\xff\n\x0b\x1c", b'{"a": 1, "a": 2}', b"NaN"):
        append_record(path, record())
        path.write_bytes(path.read_bytes() + content + b"\n")
        append_record(path, record(seed=1))
        while True:
            try:
                assert len(read_records(path)) == 2
                break
            except ValueError as error:
                found = re.search(r"remove the line \((.*)\)$", str(error))
                assert found
                subprocess.run(shlex.split(found[1]), check=True)


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_record(path, record())
    path.write_bytes(path.read_bytes() + b'{"model": "so')
    append_record(path, record(seed=1))
    lines = path.read_text().splitlines()
    assert lines[1] == '{"model": "so'
    assert len(lines) == 3
    path.write_text("\n".join([lines[0], lines[2]]))
    assert len(read_records(path)) == 2


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.jsonl"
    append_record(path, record())
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        append_record(path, record(seed=1))
    assert path.read_bytes() == before


def test_an_empty_file_has_no_results(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").touch()
    assert read_records(tmp_path / "results.jsonl") == {}


def test_a_folder_is_no_file_of_results(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(f"'{tmp_path}'")):
        read_records(tmp_path)


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        append_record(tmp_path / "results.jsonl", record(test={"recall@20": float("nan")}))
    assert not (tmp_path / "results.jsonl").exists()


def test_mean_std() -> None:
    assert mean_std([0.1, 0.2, 0.3], 4) == "0.2000 ± 0.1000"
    assert mean_std([0.25], 2) == "0.25"
    assert mean_std([], 2) == "-"


def test_table() -> None:
    console = Console(record=True, width=140)
    second = record(seed=1, best_epoch=5, test={**record()["test"], "recall@20": 0.4})
    print_table([record(), second, record(model="bpr", profile=None)], console)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "Test metrics on tiny (0123456789ab), mean ± standard deviation over seeds" in lines
    assert (
        "│ soil │ released │ 2 │ 0.1000 ± 0.0000 │ 0.3000 ± 0.1414 │ 0.0500 ± 0.0000 │ "
        "0.0600 ± 0.0000 │ 4.0 ± 1.4 │ 2.0 ± 0.0 │"
    ) in lines
    assert "│ bpr │ - │ 1 │ 0.1000 │ 0.2000 │ 0.0500 │ 0.0600 │ 3.0 │ 2.0 │" in lines
    assert lines[-1] == "torch 2.13.0; machine A, 2 threads; date 2026-01-02"


def test_machine_and_date() -> None:
    found = machine_and_date()
    assert re.fullmatch(r".+, \d+ threads.*", found["machine"])
    assert date.fromisoformat(found["date"]) <= date.today()


def test_metrics_that_were_not_computed_are_left_out() -> None:
    console = Console(record=True, width=140)
    print_table([record(test={"recall@20": 0.25})], console)
    assert "│ - │ 0.2500 │ - │ - │" in " ".join(console.export_text().split())


def test_no_table_without_runs() -> None:
    console = Console(record=True)
    print_table([], console)
    assert console.export_text() == ""


def test_todays_settings_are_those_of_finished_runs() -> None:
    """Otherwise they would be run again."""
    found: dict[tuple[str, str, str | None], list[Record]] = {}
    for run in read_records(RESULTS).values():
        # Settings of other data sets come from a search.
        if ":" not in run["model"] and run["dataset"] in load_config(run["model"]).settings:
            key = run["model"], run["dataset"], run["profile"]
            found.setdefault(key, []).append(run["settings"])
    assert len(found) > 20
    changed = set()
    for (model, dataset, profile), tried in found.items():
        settings = json.loads(json.dumps(ModelOptions(model).settings(dataset, profile, {})))
        # For so few items, "auto" is the exact search that the first runs name.
        settings.pop("index", None)
        # For so few pairs, "auto" is the one batch per step that the first runs had.
        assert settings.pop("batches_per_step", "auto") == "auto"
        if not any(all(values.get(n) == settings[n] for n in settings) for values in tried):
            changed.add((model, dataset))
    assert not changed
