"""Draws ``docs/report.png``, the report of ``examples/own_data.py`` in a browser:
``python docs/report_picture.py``. Needs chromium.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
SIZE = "1280,900"


def main() -> None:
    """Makes the report and draws the upper part of its page."""
    example = DOCS.parent / "examples" / "own_data.py"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(example), folder], check=True)
        page, picture = Path(folder, "report.html"), DOCS / "report.png"
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}"]
        options += ["--virtual-time-budget=20000", f"--screenshot={picture}"]
        subprocess.run(["chromium", *options, page.as_uri()], check=True)


if __name__ == "__main__":
    main()
