"""The command :obj:`soil-pyg export`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.workflow.export import export_embeddings, export_hetero_data, export_mmrec

EXAMPLES = """\
examples:
  soil-pyg export DATA --to mmrec --out baby
  soil-pyg export DATA --to hetero --out data.pt
  soil-pyg export RUN --to parquet --out embeddings

PyG reads data.pt by HeteroData.from_dict(torch.load("data.pt"))."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("folder", help="data folder, or folder of a run for its embeddings")
    parser.add_argument(
        "--to",
        type=Literal["mmrec", "hetero", "parquet", "npy"],
        required=True,
        help="mmrec or hetero for data, parquet or npy for the embeddings of a run",
    )
    shared.add_model_module(parser)
    parser.add_argument("--out", required=True, help="folder to create; for hetero, a .pt file")


def run(arguments: Namespace) -> None:
    """Writes the data or the embeddings in the given format."""
    folder = shared.run_folder(arguments, "folder")
    if arguments.to == "mmrec":
        export_mmrec(folder, arguments.out)
    elif arguments.to == "hetero":
        export_hetero_data(folder, arguments.out)
    else:
        export_embeddings(folder, arguments.out, arguments.to)
