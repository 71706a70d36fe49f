import json
from pathlib import Path
from typing import Any

import pytest

from soil_bench.pages.speed import speed_sections
from soil_bench.speed.graphs_report import graphs_lines, rows
from soil_bench.speed.scale_report import scale_lines

VERSIONS = {"torch": "2.13.0", "code": "secret", "machine": "A, 2 threads", "date": "2026-01-02"}
WRITTEN = "torch 2.13.0; machine A, 2 threads; date 2026-01-02."


def side(graphs: list[float], memory: float, step: float, epoch: float) -> dict[str, Any]:
    size = {"users": 20_000, "items": 7_050, "interactions": 118_551}
    return {
        "graphs": [{"seconds": s, "above_inputs_mb": memory, "size": size} for s in graphs],
        "step": [{"seconds": step}],
        "epoch": [{"train": epoch, "evaluate": 1.0}],
    }


def graphs_record() -> dict[str, Any]:
    record = {
        "versions": VERSIONS,
        "data": {"data": "baby", "channels": {"image": 4096, "text": 384}},
        "fast": side([3.0, 1.0, 2.0], memory=1000.0, step=0.2, epoch=9.0),
        "naive": side([2400.0], memory=4000.0, step=0.5, epoch=49.0),
        "roofline": {
            "seconds": 0.05,
            "parts": {"features": {"seconds": 0.02}, "Adam": {"seconds": 0.03}},
            "rates": {"flop": 4e10},
        },
        "difference": {
            "graphs": {
                "user_item": {"entries": 3000, "differing": 1, "tolerance": 1e-5, "largest": 0.25}
            },
            "tied_users": 2,
            "tied_interest": 0,
            "embeddings": 1.5e-8,
        },
    }
    return record | {"rows": rows(record)}


TABLE = [
    "|  | ours | naive | ratio | target | met |",
    "|---|---|---|---|---|---|",
    "| all graphs, s | 2 (1 to 3) | 2400 | 1,200.0 | >= 100 x | yes |",
    "| - peak above the inputs, MiB | 1000 (1000 to 1000) | 4000 | 4.0 | < 1024 MiB | yes |",
    "| training step, s | 0.2 | 0.5 | 2.5 | >= 3 x | no |",
    "| - roofline of the step, s | 0.05 | - | 4.0 |  |  |",
    "| epoch with evaluation, s | 10 | 50 | 5.0 | >= 4 x | yes |",
    "| - training, s | 9 | 49 | 5.4 |  |  |",
    "| - evaluation, s | 1 | 1 | 1.0 |  |  |",
]


def test_graphs_and_steps_beside_the_naive_implementation() -> None:
    lines = graphs_lines(graphs_record())
    assert lines[0].startswith(
        "SOIL, baby data, 20,000 users, 7,050 items, 118,551 interactions, features of 4,096 + 384 "
        "dimensions: ours beside the naive implementation of the definitions in `naive.py`."
    )
    assert lines[1:11] == ["", *TABLE]
    assert lines[11] == ""
    roofline, same, *_, embeddings, end = lines[12:]
    assert roofline.startswith("- roofline of the step, ms: features 20, Adam 30")
    assert same == (
        "- user_item: 1 of 3,000 entries differ by more than 1e-05, largest difference 0.25"
    )
    assert embeddings == "- embeddings of the same graphs differ by at most 1.5e-08"
    assert end == ""


def test_graphs_without_the_naive_implementation() -> None:
    empty: dict[str, Any] = {"graphs": [], "step": [], "epoch": []}
    record = graphs_record() | {"naive": empty, "fast": empty, "roofline": None}
    del record["difference"]
    lines = graphs_lines(record | {"rows": rows(record)})
    assert lines[0].startswith("SOIL, baby data, features of 4,096 + 384 dimensions: ")
    assert lines[4:6] == [
        "| all graphs, s | - | - | - | >= 100 x |  |",
        "| - peak above the inputs, MiB | - | - | - | < 1024 MiB |  |",
    ]
    assert lines[-2:] == ["| - evaluation, s | - | - | - |  |  |", ""]


def measured(above: float, **more: Any) -> dict[str, Any]:
    return {"above_inputs_mb": above, "peak_rss_mb": above + 500, **more}


def scale_record() -> dict[str, Any]:
    index = {"index": "IVF64,Flat;nprobe=8", "recall": 0.9876}
    search = {"item/a_similar/item": index, "user/second_order/item": {**index, "recall": 0.91}}
    small = {
        "items": 100,
        "users": 200,
        "graphs": measured(
            20, seconds=0.5, size={"interactions": 1_600}, search={"item/a/item": {"index": "Flat"}}
        ),
        "training": measured(30, epoch_seconds=2.0, extrapolated=False),
        "naive_graphs": measured(2000, seconds=250.0),
        "naive_training": measured(40, train=7.125),
    }
    large = {
        "items": 1_000_000,
        "users": 2_000_000,
        "graphs": measured(4000, seconds=1500.25, size={"interactions": 16_000_000}, search=search),
        "training": measured(9000, epoch_seconds=54321.0, extrapolated=True),
        "sampled": measured(300, epoch_seconds=1234.0, extrapolated=True, parts=100),
    }
    return {
        "versions": VERSIONS,
        "channels": {"a": 128, "b": 64},
        "sizes": [small, large],
        "exponents": {"time": {"graphs": 0.869, "epoch": 1.1}, "memory": {}},
    }


def test_scale() -> None:
    lines = scale_lines(scale_record())
    assert lines[0].startswith("SOIL, synthetic data, features of 128 + 64 dimensions. MiB: ")
    assert lines[1:] == [
        "",
        "| users | items | interactions | graphs, s | MiB | search | epoch, s | MiB "
        "| epoch on partitions, s | MiB | naive graphs, s | MiB | naive epoch, s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        "| 200 | 100 | 1,600 | 0.5 | 20 / 520 | Flat | 2 | 30 / 530 | - | - | 250 "
        "| 2,000 / 2,500 | 7.12 |",
        "| 2,000,000 | 1,000,000 | 16,000,000 | 1,500 | 4,000 / 4,500 "
        "| IVF64,Flat;nprobe=8, recall 0.910 | ~54,321 | 9,000 / 9,500 "
        "| ~1,234 in 100 partitions | 300 / 800 | - | - | - |",
        "",
        "- Exponent of time in the number of items: graphs 0.87; epoch 1.10",
        "- Recall of the search among 1,000,000 items: a_similar 0.988 (IVF64,Flat;nprobe=8), "
        "second_order 0.910 (IVF64,Flat;nprobe=8)",
        "",
    ]


def test_a_size_whose_measurements_failed() -> None:
    lines = scale_lines(scale_record() | {"sizes": [{"items": 10, "users": 20}], "exponents": {}})
    assert lines[4:] == [f"| 20 | 10 |{' - |' * 11}", ""]


def test_sections_of_the_files_that_are_there(tmp_path: Path) -> None:
    assert speed_sections([tmp_path / "none"], tmp_path) == []
    records = tmp_path / "records"
    records.mkdir()
    (records / "scale.json").write_text(json.dumps(scale_record()))
    (scale,) = speed_sections([tmp_path / "none", records], tmp_path)
    assert scale.startswith("## Scale\n\nSOIL, synthetic data")
    assert scale.endswith(f"\n\nWritten by `python benchmarks/run.py scale`. {WRITTEN}\n")
    (records / "scale.png").touch()
    (records / "graphs.json").write_text(json.dumps(graphs_record()))
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
