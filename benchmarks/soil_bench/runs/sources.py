"""The digest of the sources that decide the result of a model."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import soil_pyg
from soil_pyg.models.base import Recommender
from soil_pyg.utils.files import bytes_digest

PACKAGE = soil_pyg.__name__
TRAINER = f"{PACKAGE}.training.trainer"
"""The module whose imports train, score and measure every model."""
WITHOUT_EFFECT = {
    f"{PACKAGE}.{name}"
    for name in (
        *("datasets.storage", "models.resolver", "training.progress"),
        *("runs.checkpoint", "runs.compatibility", "runs.trained_model", "runs.training_run"),
        *("utils.checks", "utils.files", "utils.progress"),
    )
}
"""Modules that only check, show, name or store values."""


def code_digest(model_class: type[Recommender]) -> str:
    """Returns a digest of the sources that decide the results of a model.

    It covers the definitions in the modules of the model and of the trainer and in all modules of
    the package that these import, except :obj:`WITHOUT_EFFECT`, and what is imported from other
    libraries. Their order, the modules they stand in, docstrings, comments and layout do not count.
    """
    modules = imported_modules(model_class.__module__) | imported_modules(TRAINER)
    files = {_file(module) for module in modules - WITHOUT_EFFECT}
    return files_digest(files | {Path(inspect.getfile(model_class))})


def files_digest(files: Iterable[Path]) -> str:
    """Returns a digest of the definitions in files, as for :func:`code_digest`."""
    found = sorted({text for path in files for text in _definitions(path)})
    return bytes_digest(["\n".join(found).encode()])[:16]


@cache
def imported_modules(module: str) -> set[str]:
    """Returns the modules of the package that a module imports, directly or indirectly, and the
    module itself if it belongs to the package.

    A name that an :obj:`__init__` re-exports counts as an import of the module that defines it.
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
    """Returns the module that defines a name imported from a module."""
    if module.partition(".")[0] != PACKAGE:
        return module
    path = _file(module)
    if path.name != "__init__.py":
        return module
    if (path.parent / f"{name}.py").exists() or (path.parent / name / "__init__.py").exists():
        return f"{module}.{name}"
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


def _definitions(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _decisive_imports(node)
    for statement in _Decisive().visit(tree).body:
        yield ast.dump(statement)


def _decisive_imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    # Names of other libraries, and names that the package gives another name: a module that moves
    # changes neither.
    module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    is_own = module.partition(".")[0] == PACKAGE
    for alias in node.names:
        if not is_own or alias.asname is not None:
            yield f"import {'' if is_own else module} {alias.name} as {alias.asname}"


class _Decisive(ast.NodeTransformer):
    """Removes imports, docstrings and the list of public names from a module."""

    def visit_Import(self, node: ast.Import) -> None:
        """Removes an import."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Removes an import."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        """Removes :obj:`__all__`."""
        return None if ast.unparse(node.targets[0]) == "__all__" else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Removes a docstring of a module, class, function or attribute."""
        is_constant = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_constant else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Removes a condition whose body held nothing but imports."""
        self.generic_visit(node)
        return node if node.body or node.orelse else None
