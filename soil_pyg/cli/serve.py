"""The command :obj:`soil-pyg serve`."""

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.serving.requests import Limits
from soil_pyg.serving.server import serve

EXAMPLES = """\
examples:
  soil-pyg serve RUN
  soil-pyg serve runs/current --workers 4
  soil-pyg serve RUN --host 0.0.0.0 --port 80
  soil-pyg serve RUN --deny-file sold_out.txt

  curl 'http://127.0.0.1:8000/recommend?user=ann&k=5'

If RUN is a symbolic link, another run behind it is served as soon as it is
there. Files of items are read again when they change."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    shared.add_run(parser)
    shared.add_data(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 lets other machines in",
    )
    parser.add_argument("--port", type=int, default=8000, help="port, or 0 for a free one")
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    parser.add_argument("--root-path", help="path at which a proxy shows the server, such as /shop")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="score all items, even if the run has an approximate index",
    )
    parser.add_argument(
        "--no-graphs",
        action="store_true",
        help="do not build the graphs of the model: starts sooner, without /explain and /users",
    )
    parser.add_argument(
        "--poll-seconds",
        type=float,
        default=2.0,
        help="time between two looks for another run and other items",
    )
    for name, text in {"allow": "the only items", "deny": "items never"}.items():
        parser.add_argument(
            f"--{name}-file",
            metavar="FILE",
            help=f"file of {text} to recommend, one id per line, or table with the column of items",
        )
    limits = Limits()
    parser.add_argument("--max-k", type=int, default=limits.k, help="largest k of a request")
    parser.add_argument(
        "--max-ids", type=int, default=limits.ids, help="largest number of ids of a request"
    )
    parser.add_argument(
        "--max-body", type=int, default=limits.body, help="largest body of a request in bytes"
    )


def run(arguments: Namespace) -> None:
    """Serves a run until a signal ends the command."""
    serve(
        shared.run_folder(arguments),
        arguments.data,
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        limits=Limits(arguments.max_k, arguments.max_ids, arguments.max_body),
        exact=arguments.exact,
        graphs=not arguments.no_graphs,
        poll_seconds=arguments.poll_seconds,
        root_path=arguments.root_path or "",
        allow_file=arguments.allow_file,
        deny_file=arguments.deny_file,
    )
