"""The command :obj:`soil-pyg similar`."""

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import newcomers, output
from soil_pyg.cli.id_arguments import add_ids, given_ids
from soil_pyg.workflow.similar import similar_blocks

EXAMPLE = """\
examples:
  soil-pyg similar RUN --items tea,milk --k 5
  soil-pyg similar RUN --items tea --by image
  soil-pyg similar RUN --users ann
  soil-pyg similar RUN --items chai --new-items image=new_image.parquet text=new_text.parquet"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.epilog = EXAMPLE
    parser.add_argument("run", help="the folder of the run, made by 'soil-pyg train'")
    add_ids(parser, "items", "the items, between commas, or all", "item")
    add_ids(parser, "users", "the users, between commas, or all", "user")
    parser.add_argument("--k", type=int, default=10, help="the number of similar items or users")
    parser.add_argument("--by", help="the modality whose features to compare, not the embeddings")
    parser.add_argument("--data", help="the data folder, if it is not where the run knows it")
    parser.add_argument(
        "--memory-budget", type=int, default=2**30, help="bytes that a block may take"
    )
    newcomers.add_arguments(parser)
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Searches and writes the table.

    Args:
        arguments (Namespace): The arguments.
    """
    output.check(arguments.format, arguments.out)
    items, users = given_ids(arguments, "items"), given_ids(arguments, "users")
    if (items is None) == (users is None):
        raise ValueError("Either '--items' or '--users' must be given")
    frames = similar_blocks(
        newcomers.with_newcomers(arguments),
        items,
        users,
        k=arguments.k,
        by=arguments.by,
        data=arguments.data,
        memory_budget=arguments.memory_budget,
    )
    output.write(frames, arguments.format, arguments.out)
