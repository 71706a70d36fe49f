from typing import Any

from soil_bench.speed.index_report import index_lines

RECORD = {
    "channels": 8,
    "recalls": [0.9, 0.95],
    "cases": [
        {
            "num_items": 1_000,
            "source": "mixture",
            "results": [
                {"contestant": "FAISS IVF,Flat", "settings": [16], "seconds": 1.0}
                | {
                    "above_inputs_mb": 5.0,
                    "searches": [
                        {"wanted": 0.9, "depth": 4, "recall": 0.91, "seconds": 2.0}
                        | {"above_inputs_mb": 7.0}
                    ],
                },
                {"contestant": "FAISS IVF,Flat", "settings": [32], "seconds": 1.5}
                | {
                    "above_inputs_mb": 5.0,
                    "searches": [
                        {"wanted": 0.9, "depth": 6, "recall": 0.92, "seconds": 0.5}
                        | {"above_inputs_mb": 3.0}
                    ],
                },
                {"contestant": "forgotten lists", "settings": [16], "seconds": 2.0}
                | {
                    "above_inputs_mb": 5.0,
                    "searches": [
                        {"wanted": 0.9, "depth": 4, "recall": 0.91, "seconds": 2.0}
                        | {"above_inputs_mb": 7.0}
                    ],
                },
            ],
        }
    ],
}


def test_the_fastest_settings_of_each_index() -> None:
    record: dict[str, Any] = RECORD
    lines = index_lines(record)
    assert lines[0].startswith("The 10 nearest of all items, unit vectors of 8 channels. Each ")
    assert lines[4:] == [
        "| 1,000 | mixture, recall 0.9 | FAISS IVF,Flat (32) | 1.5 | 0.5 | 2 | 1.00 | 6 | 0.920 "
        "| 5 |",
        "|  |  | forgotten lists (16) | 2 | 2 | 4 | 2.00 | 4 | 0.910 | 7 |",
        "| 1,000 | mixture, recall 0.95 | FAISS IVF,Flat | - | - | - | - | - | - | - |",
        "|  |  | forgotten lists | - | - | - | - | - | - | - |",
        "",
        "- no longer in this version: forgotten lists",
        "",
    ]
