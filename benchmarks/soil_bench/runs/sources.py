"""Which sources decide the result of a model, and their digest."""

import ast
import hashlib
import inspect
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import soil_pyg
from soil_pyg.models.base import Recommender

PACKAGE = soil_pyg.__name__
# What trains, scores and measures every model.
ALWAYS = f"{PACKAGE}.training.trainer"
# These show, name and store what the others compute.
WITHOUT_EFFECT = {
    f"{PACKAGE}.{name}"
    for name in (
        *("runs.checkpoint", "runs.trained_model", "runs.training_run", "models.resolver"),
        *("training.progress", "utils.progress", "datasets.storage"),
    )
}


def code_digest(model_class: type[Recommender]) -> str:
    """Returns a digest of the sources that a model's results come from.

    These are its module, the trainer, and what they import from the package, except for what only
    shows, names or stores; comments, docstrings and layout do not count, nor does any other model.

    Args:
        model_class (type): The model.
    """
    digest = hashlib.sha256()
    own = Path(inspect.getfile(model_class))
    files = {model_class.__qualname__: own}
    modules = imported_modules(model_class.__module__) | imported_modules(ALWAYS)
    for module in sorted(modules - WITHOUT_EFFECT):
        files[module] = _file(module)
    for name, path in files.items():
        digest.update(f"\n{name}\n{_code(path)}".encode())
    return digest.hexdigest()[:16]


@cache
def imported_modules(module: str) -> set[str]:
    """Returns the modules of the package that a module needs, itself included if it is one.

    A name that a package's :obj:`__init__` only hands on counts as an import of where it is from.

    Args:
        module (str): The name of the module.
    """
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        if name.partition(".")[0] == PACKAGE:
            found.add(name)
        elif name != module:
            continue
        todo += _imports(name)
    return found


def _imports(module: str) -> set[str]:
    names = set()
    for node in ast.walk(_tree(_file(module))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {_origin(node.module, alias.name) for alias in node.names}
    return names


def _origin(module: str, name: str) -> str:
    # The module in which a name is defined that an import statement asks for.
    if module.partition(".")[0] != PACKAGE:
        return module
    submodule = f"{module}.{name}"
    path = _file(module)
    if path.name != "__init__.py":
        return module
    if (path.parent / f"{name}.py").exists() or (path.parent / name / "__init__.py").exists():
        return submodule
    for node in _tree(path).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return _origin(node.module, alias.name)
    return module


@cache
def _file(module: str) -> Path:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _code(path: Path) -> str:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_text(line)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    # A docstring, or one that stands below an attribute.
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
