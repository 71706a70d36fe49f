from pathlib import Path
from typing import Any

import pytest

from soil_bench.speed.scale_report import (
    draw_picture,
    epoch_row,
    exponents,
    fit_exponent,
    graph_row,
    scale_lines,
    scale_reports,
)


def size_of(items: int, extrapolated: bool, **more: Any) -> dict[str, Any]:
    memory = {"above_inputs_mb": items / 100, "peak_rss_mb": 500.0}
    graphs = {"seconds": 1e-3 * items**1.5, "size": {"interactions": 16 * items}, "search": {}}
    training = {"epoch_seconds": 2.0 * items**2, "extrapolated": extrapolated, "steps": [1.0, 4.0]}
    return {
        "items": items,
        "users": 2 * items,
        "source": "mixture",
        "graphs": graphs | memory | more,
        "training": training | memory,
    }


def test_exponent_of_known_numbers() -> None:
    assert fit_exponent([10, 100, 1000], [3.0, 30.0, 300.0]) == pytest.approx(1.0)
    assert fit_exponent([10, 20, 40], [5.0 * n**1.3 for n in (10, 20, 40)]) == pytest.approx(1.3)
    assert fit_exponent([10, 100, 1000], [1.0, 0.0, 100.0]) == pytest.approx(1.0)
    # Least squares of log v = (0, 1, 0) at log n = (0, 1, 2) is flat, of (0, 0, 1) it is 1 / 2.
    assert fit_exponent([1, 10, 100], [1.0, 10.0, 1.0]) == pytest.approx(0.0)
    assert fit_exponent([1, 10, 100], [1.0, 1.0, 10.0]) == pytest.approx(0.5)
    assert fit_exponent([10], [1.0]) is None
    assert fit_exponent([10, 10], [1.0, 2.0]) is None


def test_exponents_by_name() -> None:
    found = exponents([size_of(10, False), size_of(40, True)])
    assert found["time"] == pytest.approx({"graphs": 1.5, "epoch": 2.0})
    assert found["memory"] == pytest.approx({"graphs": 0.0, "epoch": 0.0})


def test_exponents_are_those_of_the_first_features() -> None:
    sizes = [size_of(10, False), size_of(10, False, seconds=1e9), size_of(40, True)]
    sizes[1]["source"] = "posters"
    assert exponents(sizes)["time"] == pytest.approx({"graphs": 1.5, "epoch": 2.0})


def test_rows_of_the_tables() -> None:
    search = {
        "item/image_similar/item": {"index": "IVF16,Flat", "recall": 0.98},
        "item/text_similar/item": {"index": "IVF16,Flat", "recall": 0.95},
        "user/second_order/item": {"index": "IVF16,Flat", "recall": 0.91},
        "item/image_item_item/item": {"index": "IVF16,Flat", "recall": 0.97},
    }
    result = size_of(10_000, True, seconds=123.456, search=search)
    assert graph_row(result) == [
        *["20,000", "10,000", "160,000", "mixture", "123", "500 / 100", "IVF16,Flat"],
        *["0.950", "0.910", "0.970"],
    ]
    assert epoch_row(result) == [
        *["20,000", "10,000", "~200,000,000", "500 / 100", "-", "-", "-", "-", "-", "-"],
    ]
    assert graph_row({"items": 10, "users": 20}) == ["20", "10", "-", "styles", *["-"] * 6]
    exact = size_of(10, True, search={"item/a_similar/item": {"index": "Flat"}})
    assert graph_row(exact)[6:] == ["Flat", "1.000", "-", "-"]


def test_table_and_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sizes = [size_of(10, False), size_of(40, True)]
    report = {"sizes": sizes, "channels": {"a": 3}, "versions": {"torch": "2"}}
    report["exponents"] = exponents(sizes)
    notes = scale_reports(report)[1].notes
    assert "Exponent of time in the number of items: graphs 1.50; epoch 2.00" in notes
    draw_picture(report, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    draw_picture({"sizes": [], "exponents": {"time": {}, "memory": {}}}, tmp_path / "empty.png")
    assert len(list(tmp_path.iterdir())) == 2


def test_lines_of_the_page(scale_record: dict[str, Any]) -> None:
    lines = scale_lines(scale_record)
    assert lines[0].startswith("SOIL, synthetic interactions, features of 128 + 64 dimensions. MiB")
    assert lines[2:] == [
        "| users | items | interactions | features | graphs, s | MiB | search "
        "| recall: similar | second-order | interest |",
        "|---|---|---|---|---|---|---|---|---|---|",
        "| 200 | 100 | 1,600 | mixture | 0.5 | 520 / 20 | Flat | 1.000 | - | - |",
        "| 2,000,000 | 1,000,000 | 16,000,000 | mixture | 1,500 | 4,500 / 4,000 | IVF64,Flat "
        "| 0.970 | 0.910 | 0.950 |",
        "",
        "- Search among 1,000,000 items, mixture: a_similar 0.988 (IVF64,Flat;nprobe=8), "
        "b_similar 0.970 (IVF64,Flat;nprobe=8), second_order 0.910 (IVF64,Flat;nprobe=8), "
        "a_item_item 0.950 (IVF64,Flat;nprobe=8)",
        "",
        "| users | items | epoch, s | MiB | epoch on partitions, s | MiB | naive graphs, s | MiB "
        "| naive epoch, s | MiB |",
        "|---|---|---|---|---|---|---|---|---|---|",
        "| 200 | 100 | 2 | 530 / 30 | - | - | 250 | 2,500 / 2,000 | 7.12 | 540 / 40 |",
        "| 2,000,000 | 1,000,000 | ~54,321 | 9,500 / 9,000 | ~1,234 in 100 partitions "
        "| 800 / 300 | - | - | - | - |",
        "",
        "- Exponent of time in the number of items: graphs 0.87; epoch 1.10",
        "",
    ]


def test_a_size_whose_measurements_failed(scale_record: dict[str, Any]) -> None:
    lines = scale_lines(scale_record | {"sizes": [{"items": 10, "users": 20}], "exponents": {}})
    assert lines[4:6] == [f"| 20 | 10 | - | styles |{' - |' * 6}", ""]
