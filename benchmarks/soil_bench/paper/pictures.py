"""The style and the files of the pictures of the paper."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soil_pyg.utils.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TWO_COLUMNS = 7.0
"""The width of the text of a page in inches."""
DPI = 200
BLUE, VERMILION, ORANGE = "#0072B2", "#D55E00", "#E69F00"
"""Colours that people with any colour vision can distinguish (Okabe and Ito)."""
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "figure.titlesize": 8,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.frameon": False,
    # Publishers require fonts of this type.
    "pdf.fonttype": 42,
}


@contextmanager
def picture(path: Path, height: float, width: float = TWO_COLUMNS) -> Iterator["Figure"]:
    """Yields an empty figure, and writes it as PNG and as PDF when it is drawn."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without the date, equal pictures are equal files.
        for ending, metadata in {"png": {}, "pdf": {"CreationDate": None}}.items():
            with atomic_path(path.with_name(f"{path.name}.{ending}")) as temporary:
                figure.savefig(temporary, format=ending, metadata=metadata)


def short_id(value: Any, most: int = 5) -> str:
    """Returns an id as text, shortened to its end if it is long."""
    text = str(value)
    return text if len(text) <= most else f"…{text[1 - most :]}"
