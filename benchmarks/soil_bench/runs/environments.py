"""Environments of libraries that do not share one with this package, each with its interpreter."""

import json
import os
import shutil
import site
import subprocess
import sysconfig
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import ArgumentParser
from rich.console import Console

from soil_bench.runs.arguments import add_out
from soil_pyg.utils.files import write_json

NICENESS = 10


@dataclass(frozen=True)
class Environment:
    """Packages and the interpreter that imports them.

    Args:
        name (str): The name of its folder.
        requirements (tuple[str, ...]): What pip installs.
        is_isolated (bool, optional): If set to :obj:`False`, it sees the packages of the running
            environment as well, so that both have the same torch. (default: :obj:`False`)
        is_built (bool, optional): Whether the packages are built from their sources against the
            torch that the environment sees. (default: :obj:`False`)
    """

    name: str
    requirements: tuple[str, ...]
    is_isolated: bool = False
    is_built: bool = False


ENVIRONMENTS = {
    environment.name: environment
    for environment in [
        Environment("scatter", ("torch-scatter>=2.1", "torch-sparse>=0.6.18"), is_built=True),
        # RecBole builds its graph by a method that scipy 1.13 no longer has.
        Environment("recbole", ("recbole>=1.2.1", "numpy<2", "scipy<1.13", "setuptools<81")),
        Environment("cornac", ("cornac>=3",)),
        Environment("implicit", ("implicit>=0.7",)),
        Environment("lenskit", ("lenskit>=2025.8",)),
        # The last release of DGL on PyPI loads with the releases of torch up to this one. Later
        # releases of Cornac need a newer library of C++ than the one in many systems.
        Environment(
            "dgl",
            (
                *("dgl==2.1.0", "torch==2.2.1", "torchdata==0.7.1", "numpy<2", "setuptools<81"),
                *("cornac<2.3", "pandas<3", "pydantic>=2", "pyyaml"),
            ),
            is_isolated=True,
        ),
    ]
}
"""The environments by their names."""


def default_folder() -> Path:
    """Returns the folder of the environments in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "soil_pyg", "environments")


def install(names: Iterable[str], folder: Path, console: Console) -> None:
    """Creates the environments that are missing or whose requirements have changed. One that cannot
    be installed is noted and left out.

    Args:
        names (Iterable[str]): The names of environments.
        folder (Path): The folder of all environments.
        console (Console): The console for progress.
    """
    for name in names:
        environment, place = ENVIRONMENTS[name], folder / name
        if why_missing(name, folder) is None:
            continue
        log = folder / f"{name}.log"
        how = "building" if environment.is_built else "installing"
        console.print(f"{how} {', '.join(environment.requirements)} (minutes; log: {log})")
        # Without its receipt, an interrupted installation starts anew.
        shutil.rmtree(place, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        error = _create(environment, place, log)
        write_json(place / "receipt.json", {**_receipt(environment), "error": error})
        if error is not None:
            console.print(f"not installed: {name}: {error}")


def why_missing(name: str, folder: Path) -> str | None:
    """Returns the reason why an environment cannot be used, :obj:`None` if it can.

    Args:
        name (str): The name of the environment.
        folder (Path): The folder of all environments.
    """
    try:
        receipt = json.loads((folder / name / "receipt.json").read_text("utf-8"))
    except (OSError, ValueError):
        return "not installed: repeat with --install"
    if receipt != {**_receipt(ENVIRONMENTS[name]), "error": receipt.get("error")}:
        return "installed for another version: repeat with --install"
    error = receipt["error"]
    return None if error is None else f"cannot be installed: {error}"


def interpreter(name: str, folder: Path) -> Path:
    """Returns the interpreter of an environment."""
    return folder / name / "bin" / "python"


def _receipt(environment: Environment) -> dict[str, object]:
    packages = {} if environment.is_isolated else {"parent": _site_packages()}
    return {"requirements": list(environment.requirements), **packages}


def _site_packages() -> str:
    return site.getsitepackages()[0]


def _create(environment: Environment, place: Path, log: Path) -> str | None:
    venv.create(place, with_pip=True)
    if not environment.is_isolated:
        own = sysconfig.get_path("purelib", "posix_prefix", {"base": str(place)})
        # Found after the own packages, which may be other releases.
        Path(own, "running_environment.pth").write_text(_site_packages(), encoding="utf-8")
    commands = [list(environment.requirements)]
    if environment.is_built:
        tools = ["--upgrade", "--ignore-installed", "setuptools", "wheel"]
        commands = [tools, ["--no-build-isolation", "--no-deps", *environment.requirements]]
    pip = [str(interpreter(environment.name, place.parent)), "-m", "pip", "install"]
    settings = {"MAX_JOBS": "1", **os.environ}
    with log.open("w") as file:
        for arguments in commands:
            done = subprocess.run(
                [*pip, *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=settings,
                preexec_fn=lambda: os.nice(NICENESS),
            )
            if done.returncode != 0:
                lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line]
                errors = [line for line in lines if line.lower().startswith("error")] or lines
                return errors[0] if errors else f"pip ended with exit code {done.returncode}"
    return None


def add_environments(parser: ArgumentParser) -> None:
    """Adds the arguments :obj:`--install` and :obj:`--environments`."""
    parser.add_argument(
        "--install",
        action="store_true",
        help="first install or build the libraries that are missing",
    )
    add_out(parser, str(default_folder()), "environments", "--environments")
