"""The command :obj:`soil-pyg similar`."""

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.cli import output
from soil_pyg.cli.names import Names
from soil_pyg.workflow.similar import similar_blocks

EXAMPLES = """\
examples:
  soil-pyg similar RUN --items tea,milk --k 5
  soil-pyg similar RUN --items tea --by image
  soil-pyg similar RUN --users ann
  soil-pyg similar RUN --items chai \\
      --new-items image=new_image.parquet text=new_text.parquet"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    shared.add_run(parser)
    shared.add_ids(parser, "items", "items, separated by commas, or all", "item")
    shared.add_ids(parser, "users", "users, separated by commas, or all", "user")
    parser.add_argument("--k", type=int, default=10, help="number of similar items or users")
    parser.add_argument("--by", help="modality whose features to compare (default: embeddings)")
    shared.add_data_and_budget(parser)
    shared.add_newcomers(parser)
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Finds similar items or users and writes the table."""
    output.check_arguments(arguments)
    items, users = (shared.given_ids(arguments, name) for name in ("items", "users"))
    if (items is None) == (users is None):
        raise ValueError("Either '--items' or '--users' must be given")
    frames = similar_blocks(
        shared.with_newcomers(arguments),
        items,
        users,
        k=arguments.k,
        by=arguments.by,
        data=arguments.data,
        memory_budget=arguments.memory_budget,
    )
    ids = ("item", "similar") if users is None else ()
    named = Names.of(arguments).present_all(frames, ids)
    output.write(named, arguments.format, arguments.out)
