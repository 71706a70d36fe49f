import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("plotly", reason="the extra 'report' is not installed")
SCRIPT = Path(__file__).parents[2] / "examples" / "own_data.py"


def test_from_top_to_bottom(tmp_path: Path) -> None:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert time.monotonic() - begin < 60
    output = done.stdout
    recalls = [float(x) for x in re.findall(r"^\d +(?:soil|bpr) +([\d.]+)$", output, re.MULTILINE)]
    soil, bpr = recalls
    assert soil > bpr > 0.5
    assert len(re.findall(r"^\d +customer 0 +\d ", output, re.MULTILINE)) == 5
    assert len(re.findall(r"^\d +mug-29 +\d ", output, re.MULTILINE)) == 3
    assert len(re.findall(r"^\d +zoe +\d +shirt-", output, re.MULTILINE)) >= 4
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "cotton shirt no." in page
    assert f"open {tmp_path / 'report.html'} in a browser" in output


def test_cells() -> None:
    text = SCRIPT.read_text("utf-8")
    cells = re.split(r"^# %%", text, flags=re.MULTILINE)[1:]
    assert len(cells) == 12
    kinds = [cell.startswith(" [markdown]") for cell in cells]
    assert kinds == [True, False] * 6
