"""The systems that take part, and those that cannot."""

from dataclasses import dataclass

ADAPTERS = "soil_bench.systems.adapters"
OURS = "soil_pyg"


@dataclass(frozen=True)
class System:
    """A library that trains and evaluates models.

    Args:
        name (str): The name in tables.
        adapter (str): The module that runs it, see :mod:`soil_bench.systems.adapters.ours`.
        models (tuple[str, ...]): The models that it has.
        environment (str, optional): Its environment, see
            :data:`~soil_bench.runs.environments.ENVIRONMENTS`. (default: the running one)
        note (str, optional): What differs from the work of the others. (default: nothing)
    """

    name: str
    adapter: str
    models: tuple[str, ...]
    environment: str | None = None
    note: str = ""


BOTH = ("bpr", "lightgcn")
PER_TRIPLET = "a step of SGD per triplet, without batches; Hogwild on several threads"
SYSTEMS = [
    System(OURS, f"{ADAPTERS}.ours", BOTH),
    System("PyG", f"{ADAPTERS}.pyg", ("lightgcn",)),
    System("PyG with torch-sparse", f"{ADAPTERS}.pyg", ("lightgcn",), "scatter"),
    System("RecBole", f"{ADAPTERS}.recbole", BOTH, "recbole"),
    System("LensKit", f"{ADAPTERS}.lenskit", BOTH, "lenskit"),
    System("Cornac", f"{ADAPTERS}.cornac", ("bpr",), "cornac", PER_TRIPLET),
    System("Cornac with DGL", f"{ADAPTERS}.cornac", ("lightgcn",), "dgl"),
    System("implicit", f"{ADAPTERS}.implicit", ("bpr",), "implicit", PER_TRIPLET),
]
"""The systems; the first one is the measure of the others."""
NOWHERE = {"RecBole-GNN": "not on PyPI; its LightGCN is that of RecBole"}
"""Systems that cannot be installed, with the reason."""
