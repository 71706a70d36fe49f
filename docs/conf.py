"""Builds the documentation: ``python -m sphinx -W docs docs/_build``.

With ``NOTEBOOKS=force`` in the environment, the notebooks are run and their results shown.
"""

import inspect
import os
import re
from importlib import import_module
from pkgutil import iter_modules, walk_packages
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

import soil_pyg

project = "soil_pyg"
author = "The soil_pyg authors"
release = soil_pyg.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "soil_pyg"
html_math_renderer = "mathml"
# Notebooks are stored without results.
nb_execution_mode = os.environ.get("NOTEBOOKS", "off")
nb_execution_raise_on_error = True
myst_enable_extensions = ["dollarmath"]
myst_update_mathjax = False
html_show_copyright = False
html_show_sourcelink = False
# Types that are named without their module, such as Table, may stand for several classes.
suppress_warnings = ["ref.python"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "exclude-members": "training"}
# The docstrings give the types of arguments in the text, as those of PyG do.
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def exported(package: ModuleType) -> dict[str, Any]:
    """Returns the classes and functions that a package exports under no shorter name, by name.

    Args:
        package (module): The package.
    """
    names = set(getattr(package, "__all__", ()))
    if package is not soil_pyg:
        names -= set(soil_pyg.__all__)
    values = {name: getattr(package, name) for name in sorted(names, key=str.lower)}
    return {name: value for name, value in values.items() if hasattr(value, "__module__")}


def modules_of(room: ModuleType) -> list[str]:
    """Returns a room and its public modules; the whole package is a room without modules.

    Args:
        room (module): The package or module.
    """
    path = [] if room is soil_pyg else getattr(room, "__path__", [])
    found = [module.name for module in walk_packages(path, f"{room.__name__}.")]
    return [room.__name__, *(n for n in found if not n.rpartition(".")[2].startswith("_"))]


class Room(SphinxDirective):
    """Documents a room: the names that its package exports, then a section per module.

    Each object appears once, under the shortest name that it can be imported by.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Returns the nodes of the room."""
        self.env.note_reread()
        room = import_module(self.arguments[0])
        lines = []
        for name, value in exported(room).items():
            directive = "autoclass" if inspect.isclass(value) else "autofunction"
            lines.append(f".. {directive}:: {room.__name__}.{name}")
        rooms = [f"soil_pyg.{found.name}" for found in iter_modules(soil_pyg.__path__)]
        packages = [soil_pyg, *map(import_module, rooms)]
        elsewhere = {id(value) for package in packages for value in exported(package).values()}
        for module in modules_of(room):
            public = {
                name: id(value) in elsewhere
                for name, value in vars(import_module(module)).items()
                if getattr(value, "__module__", None) == module and not name.startswith("_")
            }
            public |= {
                name: False
                for scope, name in ModuleAnalyzer.for_module(module).find_attr_docs()
                if not scope and not name.startswith("_")
            }
            if not all(public.values()):
                skipped = ", ".join(name for name, skip in public.items() if skip)
                lines += ["", module.partition(".")[2], "-" * len(module), ""]
                lines += [f".. automodule:: {module}", "   :ignore-module-all:"]
                lines += [f"   :exclude-members: {skipped}"]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def signature_of_init(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Shows the arguments of a class as its :obj:`__init__` has them."""
    if what != "class" or "*args" not in (signature or ""):
        return None
    parameters = list(inspect.signature(obj.__init__).parameters.values())[1:]
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return str(inspect.Signature(plain)), returned


def to_mathml(text: str, is_block: bool) -> str:
    """Returns a formula as MathML, which browsers show without a script.

    Args:
        text (str): The formula in LaTeX.
        is_block (bool): Whether it stands in lines of its own.
    """
    # docutils knows no sizes of brackets.
    text = re.sub(r"\\[bB]igg?(?![a-zA-Z])", "", text)
    parts = [part for part in text.split("\n\n") if part.strip()] if is_block else [text]
    aligned = [
        rf"\begin{{aligned}}{part}\end{{aligned}}" if "&" in part and "begin" not in part else part
        for part in parts
    ]
    return "\n".join(tex2mathml(part, as_block=is_block) for part in aligned)


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    """Writes a formula within a line."""
    translator.body.append(to_mathml(node.astext(), is_block=False))
    raise nodes.SkipNode


def visit_math_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Writes a formula in lines of its own."""
    translator.body.append(f'<div class="math">{to_mathml(node.astext(), is_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Registers the directive, the formulas and the handler above.

    Args:
        app (sphinx.application.Sphinx): The application.
    """
    app.add_directive("room", Room)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("autodoc-process-signature", signature_of_init)
