"""The commands of the benchmark."""

DEFAULT = "soil_bench.runs.command"
"""The module of the command without a name."""
COMMANDS = {
    "libraries": (
        "soil_bench.speed.libraries",
        "propagation and nearest neighbours in every library that is installed",
    ),
    "systems": (
        "soil_bench.systems.command",
        "epochs of BPR and LightGCN in whole libraries, with their evaluation",
    ),
    "graphs": (
        "soil_bench.speed.graphs",
        "graphs, steps and epochs of SOIL beside a naive implementation of its definitions",
    ),
    "steps": (
        "soil_bench.speed.steps",
        "a training step of each model beside the roofline of its operations",
    ),
    "indexes": (
        "soil_bench.speed.index_race",
        "indexes for the nearest neighbours of all items, at equal recall",
    ),
    "busy": ("soil_bench.speed.busy", "training beside a process that keeps a core busy"),
    "limit": ("soil_bench.speed.limit", "graphs of SOIL by exact comparison and by an index"),
    "scale": ("soil_bench.speed.scale", "graphs and training of SOIL by the number of items"),
    "pipeline": (
        "soil_bench.speed.pipeline",
        "time and memory from a table to recommendations, stage by stage",
    ),
    "ranks": (
        "soil_bench.speed.ranks",
        "epochs in partitions by the number of processes that train together",
    ),
    "ray": (
        "soil_bench.speed.blocks",
        "recommendations by Ray: seconds and memory beside those of one process",
    ),
    "estimate": (
        "soil_bench.speed.estimate",
        "memory, network and hours on several machines, from constants measured on this one",
    ),
    "serve": (
        "soil_bench.speed.serve",
        "the server of a run under load: latency, requests per second, memory",
    ),
    "tune": (
        "soil_bench.tuning.command",
        "settings of a model, searched by their val metric; the best are tested",
    ),
    "paper": ("soil_bench.paper.command", "the tables and figures of the SOIL paper"),
    "fidelity": (
        "soil_bench.studies.fidelity",
        "the effect of each difference between the paper and the released code",
    ),
    "newcomers": (
        "soil_bench.studies.newcomers",
        "accuracy for users and items that are added after training",
    ),
    "missing": (
        "soil_bench.studies.missing",
        "accuracy by the share of missing features and by their treatment",
    ),
    "growth": (
        "soil_bench.studies.growth",
        "accuracy by the number of batches that share one propagation",
    ),
    "patience": (
        "soil_bench.studies.patience",
        "the val metric that a smaller patience would have lost",
    ),
    "verify": (
        "soil_bench.runs.verify",
        "check that the code still gives the results of finished runs, to the last digit",
    ),
}
"""The module and the description of each command.

The module's :obj:`main` takes the remaining arguments and returns the exit code. It raises
:class:`ValueError` if an argument, a setting or the data is invalid, and
:class:`~soil_bench.runs.experiment.FailedRunsError` if a run fails.
"""
