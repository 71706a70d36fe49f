"""The server of a run under load: latency, requests per second, memory and refused requests.

A briefly trained model is served on this machine, and the clients share its cores. Each number of
workers is loaded over several numbers of connections, by wrk if it is installed. Then, under the
load of a client that checks every answer, another run takes the place of the first several times,
and malformed requests are sent, none of which may fail the server.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from soil_bench.runs.arguments import add_out, make_console, make_parser
from soil_bench.runs.results import Record, machine_and_date, versions_and_code
from soil_bench.runs.run_job import load_data
from soil_bench.runs.tables import print_report
from soil_bench.speed.measurements import options_of
from soil_bench.speed.serve_client import count_malformed, load_with_changes
from soil_bench.speed.serve_process import Server
from soil_bench.speed.serve_report import serve_reports
from soil_bench.speed.serve_wrk import has_wrk, load_of
from soil_pyg.datasets.data_folder import save_data_folder
from soil_pyg.models import LightGCN
from soil_pyg.typing import USER
from soil_pyg.utils.files import write_json
from soil_pyg.workflow.train import train

MODEL = "lightgcn"
K = 10
CHANGES = 3
"""The number of times that another run takes the place of the one that is served."""


def main(argv: list[str]) -> int:
    """Makes the measurements, prints the tables and returns the exit code."""
    arguments = parse(argv)
    console, out = make_console(), Path(arguments.out)
    work = out / "work"
    runs, users = make_runs(arguments, work)
    link = work / "current"
    record: Record = {
        "options": options_of(argv),
        "versions": versions_and_code(LightGCN) | machine_and_date(),
        "dataset": arguments.dataset,
        "model": MODEL,
        "k": K,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "client": "wrk" if has_wrk() else "asyncio",
        "seconds": arguments.seconds,
        "workers": [],
    }
    for number in arguments.workers:
        put_in_place(link, runs[0])
        with Server(link, number) as server:
            console.print(f"{number} workers")
            load_of(server.port, users, K, max(arguments.connections), seconds=1)
            loads = [
                {"connections": connections} | load(server, users, connections, arguments.seconds)
                for connections in arguments.connections
            ]
            row = {"workers": number, "loads": loads, "memory_mb": server.memory()}
            record["workers"].append(row)
            if number == max(arguments.workers):
                record["changes"] = measure_changes(server, link, runs, users, arguments)
                record["malformed"] = count_malformed(server.port, users, arguments.malformed)
                row["memory_after_changes_mb"] = server.memory()
    write_json(out / "serve.json", record)
    for report in serve_reports(record):
        print_report(report, console)
    shutil.rmtree(work)
    return 0


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("serve", __doc__)
    parser.add_argument("--dataset", default="ml1m", help="name of the data set or its folder")
    parser.add_argument("--root", default="data", help="folder of the data sets")
    parser.add_argument("--epochs", type=PositiveInt, default=1, help="epochs of the model")
    parser.add_argument(
        "--workers", type=PositiveInt, nargs="+", default=[1, 4], help="numbers of workers"
    )
    parser.add_argument(
        "--connections", type=PositiveInt, nargs="+", default=[1, 8, 64], help="their numbers"
    )
    parser.add_argument("--seconds", type=PositiveInt, default=10, help="duration of each load")
    parser.add_argument(
        "--malformed", type=PositiveInt, default=10_000, help="number of malformed requests"
    )
    add_out(parser)
    return parser.parse_args(argv)


def make_runs(arguments: Namespace, work: Path) -> tuple[list[Path], list[str]]:
    """Trains two runs on the data set and returns their folders and the ids of the users."""
    data = load_data(arguments.dataset, arguments.root)
    shutil.rmtree(work, ignore_errors=True)
    (work / "data").mkdir(parents=True)
    save_data_folder(work / "data", data, None, {})
    folders = []
    for seed in range(2):
        folders.append(work / f"run{seed}")
        options: dict[str, Any] = {"epochs": arguments.epochs, "seed": seed, "device": "cpu"}
        train(work / "data", folders[-1], MODEL, progress=False, **options)
    store = data[USER]
    ids = store.id if "id" in store else range(store.num_nodes)
    return folders, [str(user) for user in list(ids)]


def load(server: Server, users: list[str], connections: int, seconds: int) -> Record:
    """Returns the numbers of :func:`~soil_bench.speed.serve_wrk.load_of`, with the milliseconds of
    processor time per request, which other processes change little.
    """
    before = server.cpu_seconds()
    found = load_of(server.port, users, K, connections, seconds)
    after = server.cpu_seconds()
    if before is not None and after is not None:
        num_requests = max(1.0, found["requests_per_second"] * seconds)
        found["cpu_ms"] = 1000 * (after - before) / num_requests
    return found


def put_in_place(link: Path, run: Path) -> None:
    """Lets the link point to a run, in one step."""
    new = link.with_name("new")
    new.symlink_to(run.name)
    os.replace(new, link)


def measure_changes(
    server: Server, link: Path, runs: list[Path], users: list[str], arguments: Namespace
) -> Record:
    """Returns the requests, the lost ones and the latency while runs take each other's place."""

    def change(number: int) -> None:
        put_in_place(link, runs[(number + 1) % 2])

    connections = sorted(arguments.connections)[len(arguments.connections) // 2]
    found = load_with_changes(server.port, users, K, connections, CHANGES, change)
    return {"connections": connections, "changes": CHANGES, **found}
