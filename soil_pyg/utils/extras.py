"""The command that installs an extra of this package."""

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any
from urllib.parse import unquote, urlparse

NAME = "soil-pyg"


def install_command(extra: str) -> str:
    """Returns the command that installs an extra from where the package itself came from: an index,
    a folder, a repository or a file.

    Example:
        >>> install_command("report").startswith("pip install ")
        True
    """
    origin = _origin()
    url, name = str(origin.get("url", "")), f"{NAME}[{extra}]"
    if "dir_info" in origin:
        path = unquote(urlparse(url).path)
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return f"pip install {editable}{shlex.quote(f'{path}[{extra}]')}"
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f"pip install '{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}'"
    return f"pip install '{name} @ {url}'" if url else f"pip install '{name}'"


def _origin() -> dict[str, Any]:
    """Returns the record of the origin that pip leaves, empty for a package of an index."""
    try:
        text = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    return dict(json.loads(text)) if text else {}
