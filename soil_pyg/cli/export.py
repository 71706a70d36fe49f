"""The command :obj:`soil-pyg export`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.workflow.export import export_embeddings, export_hetero_data, export_mmrec

EXAMPLE = """\
examples:
  soil-pyg export DATA --to mmrec --out baby      # a folder in the layout of MMRec
  soil-pyg export DATA --to hetero --out data.pt  # HeteroData.from_dict(torch.load("data.pt"))
  soil-pyg export RUN --to parquet --out emb      # embeddings with ids; or npy"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.epilog = EXAMPLE
    parser.add_argument("folder", help="a data folder, or for embeddings that of a run")
    parser.add_argument(
        "--to",
        type=Literal["mmrec", "hetero", "parquet", "npy"],
        required=True,
        help="mmrec or hetero for data, parquet or npy for the embeddings of a run",
    )
    parser.add_argument("--out", required=True, help="the folder to make; for hetero a .pt file")


def run(arguments: Namespace) -> None:
    """Writes what was asked for.

    Args:
        arguments (Namespace): The arguments.
    """
    if arguments.to == "mmrec":
        export_mmrec(arguments.folder, arguments.out)
    elif arguments.to == "hetero":
        export_hetero_data(arguments.folder, arguments.out)
    else:
        export_embeddings(arguments.folder, arguments.out, arguments.to)
