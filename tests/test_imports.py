"""The rules on imports, checked on the syntax trees of the sources."""

import ast
import configparser
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from soil_bench.runs.environments import ENVIRONMENTS
from soil_bench.speed.contest import distributions_of
from soil_bench.systems.contestants import ADAPTERS

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
MAY_IMPORT["serving"] = BELOW_WORKFLOW | {"workflow"}
MAY_IMPORT["cli"] = BELOW_WORKFLOW | {"workflow", "reports", "serving"}
MAY_IMPORT["testing"] = {"models", "ops", "training", "typing", "utils"}
BENCHMARK_PACKAGE = "soil_bench"
BENCHMARKS_MAY_IMPORT = {
    "runs": set(),
    "paper": {"runs"},
    "tuning": {"runs"},
    "studies": {"runs"},
    "speed": {"runs"},
    "systems": {"runs", "speed"},
    "pages": {"runs", "paper", "tuning", "studies", "speed", "systems"},
}
RULES = {PACKAGE: MAY_IMPORT, BENCHMARK_PACKAGE: BENCHMARKS_MAY_IMPORT}
# Public although they begin with an underscore.
PUBLIC = {"_asdict", "_exit", "_fields", "_make", "_replace"}
PRIVATE_NAMES = "soil_pyg.utils._private"
# Test files that concern a room or all of it rather than one module.
OF_NO_MODULE = {
    *(f"{room}/test_contract.py" for room in ("datasets", "models", "transforms")),
    *("reports/test_browser.py", "reports/test_charts.py"),
}
PICKLES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
TESTS = sorted((ROOT / "tests").glob("*/**/test_*.py"))


parse = cache(ast.parse)


@cache
def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return name.removeprefix("benchmarks.")


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
    tree = parse(source) if isinstance(source, str) else source
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
    """Returns the imports of a module that the table of its package does not allow."""
    package, _, rest = module.partition(".")
    if not rest or package not in RULES:
        return []
    own = rest.partition(".")[0]
    bad = []
    for name in imported(source, module, is_package):
        top, _, rest = name.partition(".")
        room = rest.partition(".")[0]
        if top == package and room != own and room not in RULES[package][own]:
            bad.append(name)
        if top in ("benchmarks", "page", "run") or (package, top) == (PACKAGE, BENCHMARK_PACKAGE):
            bad.append(name)
    return bad


def is_private(name: str) -> bool:
    """Returns whether a name is private: _x, but neither _ nor __x__."""
    return name.strip("_") != "" and name.startswith("_") and not name.endswith("__")


def private_names(tree: ast.AST) -> set[str]:
    """Returns the private names that a source defines."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return {name for name in names if is_private(name)}


def foreign_private_names(source: str, own: set[str]) -> list[str]:
    """Returns the private names of other libraries that a source reads.

    Args:
        source (str): The source.
        own (set[str]): The private names that the sources of this repository define.
    """
    found = []
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            parts = [] if node.attr in own else [node.attr]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = imported(node, "module")
            parts = [
                p for name in names if name.split(".")[0] not in RULES for p in name.split(".")
            ]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            name = node.args[1]
            text = name.value if isinstance(name, ast.Constant) else ""
            parts = [part for part in str(text).split(".") if part not in own]
        else:
            parts = []
        found += [part for part in parts if is_private(part) and part not in PUBLIC]
    return sorted(found)


def module_of_test(path: Path) -> str | None:
    """Returns the name of the file at the mirrored path of a test, None if there is none."""
    room, *folders = path.relative_to(ROOT / "tests").parent.parts
    outside = {"benchmarks": "benchmarks", "docs": "docs", "examples": "examples"}
    folder = ROOT / outside.get(room, f"{PACKAGE}/{room}")
    if room == "benchmarks" and folders:
        folder /= BENCHMARK_PACKAGE
    folder = folder.joinpath(*folders)
    topic = path.stem.removeprefix("test_")
    stems = [folder.name, *(file.stem.lstrip("_") for file in folder.glob("*") if file.is_file())]
    fitting = [stem for stem in stems if f"{topic}_".startswith(f"{stem}_")]
    return max(fitting, key=len, default=None)


def map_of_rooms(package: str) -> dict[str, set[str]]:
    """Returns the table of a package in CONTRIBUTING.md: the rooms that each room may import."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = text.split(f"| room of `{package}` |")[1].split("\n\n")[0]
    rooms: dict[str, set[str]] = {}
    for room, cell in re.findall(r"^\| `(\w+)(?:/|\.py)` \|.*\| (.+) \|$", table, re.MULTILINE):
        rooms[room] = set(rooms) if cell == "all above" else set(re.findall(r"`(\w+)`", cell))
    return rooms


def distributions(*extras: str) -> set[str]:
    """Returns the packages that setup.cfg requires, those of the named extras included."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    for extra in extras:
        lines += config["options.extras_require"][extra].split("\n")
    return {normalise(re.split(r"[<>=;\s\[]", line)[0]) for line in lines if line}


def in_environments() -> set[str]:
    """Returns the packages that environments of other libraries require."""
    found = [requirement for e in ENVIRONMENTS.values() for requirement in e.requirements]
    return {normalise(re.split(r"[<>=]", requirement)[0]) for requirement in found}


def normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def undeclared(names: Iterable[str], declared: set[str]) -> list[str]:
    """Returns the imported packages that are neither standard, the project's own nor declared."""
    siblings = {PACKAGE, BENCHMARK_PACKAGE, "page", "run"}
    bad = []
    for name in names:
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top in siblings:
            continue
        # Most packages are imported by the name that they are installed by.
        if normalise(top) not in declared and not (
            {normalise(dist) for dist in distributions_of(top)} & declared
        ):
            bad.append(top)
    return bad


def unsafe_loads(source: str) -> list[int]:
    """Returns the lines that could unpickle: imports of pickle, and loads that allow it."""
    tree = parse(source)
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


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS, ids=module_name)
def test_imports_run_one_way(path: Path) -> None:
    package, *rooms = module_name(path).split(".")
    if rooms:
        assert rooms[0] in RULES[package], "give the new room its place in the table"
    assert upward_imports(*read(path)) == []


@pytest.mark.parametrize("package", list(RULES))
def test_the_map_in_contributing_shows_the_rules(package: str) -> None:
    assert map_of_rooms(package) == RULES[package]


@pytest.mark.parametrize("folder", [PACKAGE, "benchmarks"])
def test_few_modules_lie_outside_rooms(folder: str) -> None:
    assert len(list((ROOT / folder).glob("*.py"))) <= 3


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_tests_lie_at_mirrored_paths(path: Path) -> None:
    name = path.relative_to(ROOT / "tests").as_posix()
    if name not in OF_NO_MODULE and not name.startswith(("parity/", "robustness/")):
        assert module_of_test(path) is not None


def test_private_names_of_other_libraries_stand_in_one_module() -> None:
    trees = [parse(path.read_text("utf-8")) for path in SOURCES + BENCHMARKS]
    own = set().union(*map(private_names, trees))
    found = {
        module_name(path): foreign_private_names(path.read_text("utf-8"), own)
        for path in SOURCES + BENCHMARKS
    }
    assert {module for module, names in found.items() if names} <= {PRIVATE_NAMES}


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_one_module_imports_faiss(path: Path) -> None:
    uses_faiss = any(name.split(".")[0] == "faiss" for name in imported(*read(path)))
    assert uses_faiss == (module_name(path) == "soil_pyg.ops.faiss_library")


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS, ids=module_name)
def test_nothing_is_unpickled(path: Path) -> None:
    assert unsafe_loads(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", SOURCES + BENCHMARKS, ids=module_name)
def test_every_import_is_declared(path: Path) -> None:
    extras = (
        "cpu",
        "gpu",
        "scatter",
        "bench",
        "cluster",
        "ray",
        "embed",
        "timm",
        "report",
        "serve",
    )
    declared = distributions(*extras)
    if module_name(path).startswith(ADAPTERS):
        declared |= in_environments()
    assert undeclared(imported(*read(path)), declared) == []


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
        ("import soil_bench.runs", "soil_pyg.training.trainer", ["soil_bench.runs"]),
        ("import soil_bench.runs.job", "soil_bench.speed.x", []),
        ("from soil_bench.paper import runs", "soil_bench.speed.x", ["soil_bench.paper.runs"]),
        ("import soil_bench.pages.speed", "page", []),
    ],
)
def test_upward_imports_are_found(source: str, module: str, expected: list[str]) -> None:
    assert upward_imports(source, module) == expected


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import torch._dynamo", ["_dynamo"]),
        ("from torch._dynamo.exc import Unsupported", ["_dynamo"]),
        ("from torch import _C", ["_C"]),
        ("torch._C._functorch.peek()", ["_C", "_functorch"]),
        ("parser._actions", ["_actions"]),
        ("getattr(edge_index, '_T_perm', None)", ["_T_perm"]),
        ("hasattr(torch, '_C')", ["_C"]),
        ("self._own = self._own + 1", []),
        ("row._replace(x=1); os._exit(0); cls.__name__", []),
        ("from soil_pyg.ops.knn import _own", []),
        ("for _ in range(2): pass", []),
    ],
)
def test_private_names_of_other_libraries_are_found(source: str, names: list[str]) -> None:
    assert foreign_private_names(source, {"_own"}) == names


def test_private_names_of_a_source() -> None:
    source = "_a = 1\nclass _B:\n    def _c(self): self._d = self._e\n    def __len__(self): ..."
    assert private_names(ast.parse(source)) == {"_a", "_B", "_c", "_d"}


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("ops/test_knn.py", "knn"),
        ("models/test_soil_graphs_ablation.py", "soil_graphs"),
        ("cli/test_cli.py", "cli"),
        ("nn/conv/test_light_conv.py", "light_conv"),
        ("benchmarks/test_run.py", "run"),
        ("benchmarks/runs/test_results.py", "results"),
        ("docs/test_conf.py", "conf"),
        ("nn/test_knn.py", None),
        ("nn/test_nothing.py", None),
        ("ops/test_knnx.py", None),
    ],
)
def test_mirrored_paths_are_found(path: str, module: str | None) -> None:
    assert module_of_test(ROOT / "tests" / path) == module


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
