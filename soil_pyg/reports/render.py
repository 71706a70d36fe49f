"""Renders a page as self-contained HTML."""

import base64
import gzip
from importlib.resources import files
from typing import Any

from soil_pyg.reports.chart import Share
from soil_pyg.reports.runs import Summary
from soil_pyg.utils.extras import install_command


def render(content: dict[str, Any]) -> str:
    """Returns the page as HTML in which all texts are escaped, with the content as the variables of
    :obj:`template.html`.
    """
    jinja2, plotly_code = import_extra()
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"show": show, "deviation": deviation}
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    packed = base64.b64encode(gzip.compress(plotly_code().encode(), mtime=0)).decode()
    return str(environment.get_template("template.html").render(**content, plotly=packed))


def import_extra() -> tuple[Any, Any]:
    """Returns the module jinja2 and the function that returns the code of plotly, or raises
    :class:`ImportError` if a package of the extra :obj:`report` is missing.
    """
    try:
        import jinja2
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError(
            f"A report requires the package '{error.name}': {install_command('report')}"
        ) from error
    return jinja2, get_plotlyjs


def show(value: Any) -> str:
    """Formats a value with separators and a few decimals, and shares in percent.

    Example:
        >>> show(12345), show(0.12345), show(Share(0.5)), show(None)
        ('12,345', '0.1235', '50.0%', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, Summary):
        return show(value.mean)
    if isinstance(value, Share):
        return f"{value.value:.1%}" if value.value >= 0.01 else f"{100 * value.value:.2g}%"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    is_plain = value == 0 or 1e-3 <= abs(value) < 1e6
    return f"{value:,.{_decimals(value)}f}" if is_plain else f"{value:.3g}"


def deviation(value: Any) -> str:
    """Formats the deviation or the interval of a value with the decimals of the value, or as an
    empty text.

    Example:
        >>> deviation(Summary(0.5, 0.01)), deviation(0.5)
        ('± 0.0100', '')
        >>> deviation(Summary(0.5, None, (0.4, 0.65)))
        '[0.4000, 0.6500]'
    """
    if not isinstance(value, Summary):
        return ""
    decimals = _decimals(value.mean)
    if value.std is not None:
        return f"± {value.std:.{decimals}f}"
    if value.interval is not None:
        return "[{:.{n}f}, {:.{n}f}]".format(*value.interval, n=decimals)
    return ""


def _decimals(value: float) -> int:
    return 4 if abs(value) <= 1 else 2


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
