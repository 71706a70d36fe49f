"""The command :obj:`soil-pyg encode`."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.datasets.data_folder import new_folder
from soil_pyg.datasets.vector_tables import write_vectors
from soil_pyg.typing import ITEM
from soil_pyg.utils.progress import status
from soil_pyg.workflow.columns import id_columns
from soil_pyg.workflow.encode import encode
from soil_pyg.workflow.prepare_arguments import check_image_folder

EXAMPLES = """\
examples:
  soil-pyg encode new_items.csv --like DATA --embed text=title image=pictures \\
      --out NEW
  soil-pyg similar RUN --items chai \\
      --new-items text=NEW/text.parquet image=NEW/image.parquet"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("file", help="table of the new items: .csv, .tsv, .parquet or .jsonl")
    parser.add_argument("--like", required=True, metavar="DATA", help="data folder")
    shared.add_embed(parser, "the encoders of --like, as they were given to 'prepare'")
    parser.add_argument(
        "--image-folder", help="folder of relative picture paths (default: that of the table)"
    )
    parser.add_argument(
        "--out", required=True, help="folder to create, with a table of vectors per modality"
    )


def run(arguments: Namespace) -> None:
    """Encodes the items and writes a table per modality."""
    if arguments.image_folder is not None:
        check_image_folder(arguments.image_folder)
    root = arguments.image_folder or Path(arguments.file).parent
    encoders = shared.encoders(arguments, root)
    if not encoders:
        raise ValueError("'--embed' must name at least one encoder (got none)")
    with new_folder(arguments.out) as folder:
        features, ids = encode(arguments.file, encoders, arguments.like)
        column = id_columns(arguments.like)[ITEM]
        for modality, matrix in features.items():
            write_vectors({column: ids.tolist()}, "vector", matrix, folder / f"{modality}.parquet")
    for modality, matrix in features.items():
        missing = int((~matrix.any(axis=1)).sum())
        status.log(f"{modality}: missing for {missing:,} of {len(ids):,} items")
