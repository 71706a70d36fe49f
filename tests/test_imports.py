"""The rules on imports, checked on the syntax trees of the sources."""

import ast
import configparser
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from soil_bench.speed.contest import distributions_of

ROOT = Path(__file__).parents[1]
PACKAGE = "soil_pyg"
# The other rooms that a room may import.
MAY_IMPORT = {
    "typing": set(),
    "utils": {"typing"},
    "configs": {"utils"},
    "ops": {"typing", "utils"},
    "nn": {"ops", "typing", "utils"},
    "datasets": {"ops", "typing", "utils"},
    "encoders": {"datasets", "typing", "utils"},
    "transforms": {"nn", "ops", "typing", "utils"},
    "models": {"nn", "ops", "transforms", "typing", "utils"},
    "runs": {"datasets", "models", "typing", "utils"},
    "ranking": {"models", "ops", "runs", "typing", "utils"},
    "training": {"models", "nn", "ops", "ranking", "runs", "typing", "utils"},
}
BELOW_WORKFLOW = set(MAY_IMPORT)
MAY_IMPORT["workflow"] = BELOW_WORKFLOW
MAY_IMPORT["reports"] = BELOW_WORKFLOW | {"workflow"}
MAY_IMPORT["cli"] = BELOW_WORKFLOW | {"workflow", "reports"}
PICKLES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def nodes(tree: ast.AST, in_functions: bool) -> Iterator[ast.AST]:
    """Yields the nodes of the tree, those that importing it does not run only if asked for."""
    yield tree
    if in_functions or not (
        isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_types(tree)
    ):
        for child in ast.iter_child_nodes(tree):
            yield from nodes(child, in_functions)


def is_for_types(node: ast.AST) -> bool:
    """Returns whether a node is run by type checkers alone."""
    return (
        isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test) == "TYPE_CHECKING"
    )


def imported(
    source: str | ast.AST, module: str, is_package: bool = False, in_functions: bool = True
) -> Iterator[str]:
    """Yields the absolute dotted name of everything that a module imports."""
    tree = ast.parse(source) if isinstance(source, str) else source
    for node in nodes(tree, in_functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                keep = len(parts) - node.level + is_package
                base = ".".join([*parts[:keep], *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def read(path: Path) -> tuple[str, str, bool]:
    """Returns the source of a module, its name and whether it is a package."""
    return path.read_text("utf-8"), module_name(path), path.name == "__init__.py"


def upward_imports(source: str, module: str, is_package: bool = False) -> list[str]:
    """Returns the imports of a module of the package that do not run one way."""
    if module == PACKAGE:
        return []
    own = module.split(".")[1]
    bad = []
    for name in imported(source, module, is_package):
        top, _, rest = name.partition(".")
        unit = rest.partition(".")[0]
        if top == PACKAGE and unit != own and unit not in MAY_IMPORT[own]:
            bad.append(name)
        if top == "benchmarks":
            bad.append(name)
    return bad


def distributions(*extras: str) -> set[str]:
    """Returns the packages that setup.cfg requires, those of the named extras included."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    for extra in extras:
        lines += config["options.extras_require"][extra].split("\n")
    return {normalise(re.split(r"[<>=;\s\[]", line)[0]) for line in lines if line}


def normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def undeclared(names: Iterable[str], declared: set[str]) -> list[str]:
    """Returns the imported packages that are neither standard, the project's own nor declared."""
    siblings = {PACKAGE, "soil_bench", "page", "run"}
    bad = []
    for name in names:
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top in siblings:
            continue
        if not {normalise(dist) for dist in distributions_of(top) or [top]} & declared:
            bad.append(top)
    return bad


def unsafe_loads(source: str) -> list[int]:
    """Returns the lines that could unpickle: imports of pickle, and loads that allow it."""
    tree = ast.parse(source)
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {name.split(".")[0] for name in imported(node, "module")}
            if names & PICKLES:
                lines.append(node.lineno)
        if isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            if function == "torch.load" and options.get("weights_only") != "True":
                lines.append(node.lineno)
            if options.get("allow_pickle", "False") != "False":
                lines.append(node.lineno)
            if function.endswith("read_pickle"):
                lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_run_one_way(path: Path) -> None:
    module = module_name(path)
    if module != PACKAGE:
        assert module.split(".")[1] in MAY_IMPORT, "give the new room its place in MAY_IMPORT"
    assert upward_imports(*read(path)) == []


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_only_knn_imports_faiss(path: Path) -> None:
    uses_faiss = any(name.split(".")[0] == "faiss" for name in imported(*read(path)))
    assert uses_faiss == (module_name(path) == "soil_pyg.ops.knn")


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS, ids=module_name)
def test_nothing_is_unpickled(path: Path) -> None:
    assert unsafe_loads(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS, ids=module_name)
def test_every_import_is_declared(path: Path) -> None:
    extras = ("cpu", "gpu", "scatter", "bench", "embed", "timm", "report")
    assert undeclared(imported(*read(path)), distributions(*extras)) == []


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS, ids=module_name)
def test_optional_packages_are_imported_where_they_are_used(path: Path) -> None:
    names = imported(*read(path), in_functions=False)
    assert undeclared(names, distributions()) == []


@pytest.mark.parametrize(
    ("source", "module", "expected"),
    [
        ("from soil_pyg.typing import USER", "soil_pyg.ops.knn", []),
        ("from soil_pyg.utils.files import write_text", "soil_pyg.ops.knn", []),
        ("from soil_pyg.models import SOIL", "soil_pyg.ops.knn", ["soil_pyg.models.SOIL"]),
        (
            "from soil_pyg import training",
            "soil_pyg.ranking.evaluator",
            ["soil_pyg.training"],
        ),
        ("import soil_pyg", "soil_pyg.training.triplet_loader", ["soil_pyg"]),
        ("from ..datasets import TikTok", "soil_pyg.transforms.x", ["soil_pyg.datasets.TikTok"]),
        (
            "def f():\n    import soil_pyg.training.trainer",
            "soil_pyg.models.x",
            ["soil_pyg.training.trainer"],
        ),
        ("import benchmarks.run", "soil_pyg.training.trainer", ["benchmarks.run"]),
    ],
)
def test_upward_imports_are_found(source: str, module: str, expected: list[str]) -> None:
    assert upward_imports(source, module) == expected


def test_relative_import_in_a_package_is_found() -> None:
    assert upward_imports("from ..training import x", "soil_pyg.nn", is_package=False) == []
    source = "from ..training import x"
    assert upward_imports(source, "soil_pyg.nn", is_package=True) == ["soil_pyg.training.x"]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import pickle", [1]),
        ("from pickle import load", [1]),
        ("x = 1\ntorch.load(path)", [2]),
        ("torch.load(path, weights_only=False)", [1]),
        ("torch.load(path, weights_only=True)", []),
        ("np.load(path, allow_pickle=True)", [1]),
        ("np.load(path, allow_pickle=False)", []),
        ("pd.read_pickle(path)", [1]),
    ],
)
def test_unsafe_loads_are_found(source: str, lines: list[int]) -> None:
    assert unsafe_loads(source) == lines


def test_undeclared_imports_are_found() -> None:
    names = ["os", "faiss.IndexFlat", "no_such_package", "soil_pyg.nn"]
    assert undeclared(names, {"faiss-cpu"}) == ["no_such_package"]
    assert undeclared(names, {"torch"}) == ["faiss", "no_such_package"]


def test_imports_in_functions_are_not_at_module_top() -> None:
    source = "import torch\ndef f():\n    import faiss\ntry:\n    import gdown\nfinally: 1"
    assert list(imported(source, "module", in_functions=False)) == ["torch", "gdown"]
    assert list(imported(source, "module")) == ["torch", "faiss", "gdown"]


def test_imports_for_types_are_not_run() -> None:
    source = "if TYPE_CHECKING:\n    import faiss\nif DEBUG:\n    import gdown"
    assert list(imported(source, "module", in_functions=False)) == ["gdown"]
