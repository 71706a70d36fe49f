"""The process of a system, by the interpreter of its environment."""

import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from soil_bench.runs.host import Host, versions_of_distributions
from soil_bench.systems.problem import load_problem
from soil_bench.systems.turns import Turns


def work(host: Host) -> None:
    """Trains the system of the first message and stores its embeddings."""
    job = host.hear()
    adapter = import_module(job["adapter"])
    # Where a system may leave files of its own.
    os.chdir(job["folder"])
    problem = load_problem(Path(job["folder"]))
    versions = versions_of_distributions(adapter.DISTRIBUTIONS)
    turns = Turns(host, problem.settings.epochs, versions)
    user_emb, item_emb = adapter.run(problem, turns)
    np.savez(job["result"], user_emb=user_emb, item_emb=item_emb)
    turns.begin()
    turns.end("end")


if __name__ == "__main__":
    sys.exit(Host().serve(work))
