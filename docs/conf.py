"""Builds the reference from the docstrings: sphinx-build -W docs docs/_build."""

import inspect
from typing import Any

import soil_pyg

project = "soil_pyg"
author = "The soil_pyg authors"
release = soil_pyg.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
html_theme = "alabaster"
html_theme_options = {
    "description": "Multimodal recommendation on PyTorch Geometric",
    "fixed_sidebar": True,
    "page_width": "1100px",
    "sidebar_width": "230px",
}
html_show_sourcelink = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "exclude-members": "training"}
# Arguments are written as PyG writes them, with types in the text.
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def signature_of_init(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Shows the arguments of a class as its :obj:`__init__` has them."""
    if what != "class" or "*args" not in (signature or ""):
        return None
    parameters = list(inspect.signature(obj.__init__).parameters.values())[1:]
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return str(inspect.Signature(plain)), returned


def setup(app: Any) -> None:
    """Connects what is above.

    Args:
        app (sphinx.application.Sphinx): The application.
    """
    app.connect("autodoc-process-signature", signature_of_init)
