"""The process of a library in an environment of its own, see :mod:`soil_bench.speed.guests`."""

import sys
import time
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from soil_bench.runs.host import Host, versions_of_distributions
from soil_bench.runs.process import MEBIBYTE, peak_rss
from soil_bench.speed import products


def work(host: Host) -> None:
    """Prepares each case that it is told, gives its answers and times it."""
    tasks: products.Tasks = {}
    host.hear()
    host.tell(versions=versions_of_distributions(["torch", "torch_scatter", "torch_sparse", "dgl"]))
    before = 0
    while True:
        job = host.hear()
        if "threads" in job:
            torch.set_num_threads(job["threads"])
            library, make = import_module(job["package"]), getattr(products, job["product"])
            # The first use starts threads and loads code, which must not count.
            for task in make(library, _read(job["tiny"])).values():
                task()
            tasks.clear()
            case = _read(job["case"])
            before = peak_rss()
            start = time.perf_counter()
            tasks = make(library, case)
            host.tell(prepare_ms=1000 * (time.perf_counter() - start), tasks=list(tasks))
        elif "answer" in job:
            answer = tasks[job["answer"]]()
            peak = (peak_rss() - before) / MEBIBYTE
            np.savez(job["file"], *[x.numpy() for x in answer])
            host.tell(peak_memory_mb=peak)
        else:
            start = time.perf_counter()
            tasks[job["time"]]()
            host.tell(seconds=time.perf_counter() - start)


def _read(case: dict[str, Any]) -> products.Directions:
    with np.load(case["file"], allow_pickle=False) as file:
        tensors = {name: torch.from_numpy(file[name]) for name in file.files}
    return products.Directions(SimpleNamespace(**case["spec"]), tensors)


if __name__ == "__main__":
    sys.exit(Host().serve(work))
