"""The command :obj:`soil-pyg prepare`."""

from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.datasets.layouts import item_file
from soil_pyg.datasets.modality_source import ModalitySource
from soil_pyg.typing import SPLITS
from soil_pyg.utils.progress import status
from soil_pyg.workflow.prepare import prepare

EXAMPLES = """\
examples:
  soil-pyg prepare purchases.csv --out DATA --items items.csv \\
      --features image=image.npy text=text.parquet --k-core 5
  soil-pyg prepare purchases.csv --out DATA --items items.csv \\
      --embed image=pictures text=title
  soil-pyg prepare later_purchases.csv --like DATA --out NEW_DATA

sources of --embed:
  text=COLUMN[,COLUMN...][:MODEL]
                         text columns of --items; MODEL is all-MiniLM-L6-v2
                         (default with the extra embed), tfidf (default without
                         it) or a folder
  image=SOURCE[:MODEL]   a folder of pictures named by item id, written
                         FOLDER/{item} if a column names them as well, or a
                         column of paths in --items, relative to --image-folder;
                         MODEL is efficientnet-lite0 (default with the extra
                         embed), colour-histogram (default without it) or a file
  NAME:text=..., NAME:image=...   a modality of another name"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "file",
        help="interactions: .csv, .tsv, .parquet or .jsonl, a folder in the layout of MMRec, "
        "MovieLens or RecBole, or a HeteroData (.pt, .safetensors)",
    )
    parser.add_argument("--out", required=True, help="data folder to create")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing data folder")
    parser.add_argument("--name", help="name of the data (default: that of the file)")
    parser.add_argument("--user-column", default="user", help="column of user ids")
    parser.add_argument("--item-column", default="item", help="column of item ids")
    parser.add_argument("--rating-column", help="column of ratings")
    parser.add_argument("--min-rating", type=float, help="minimum rating to keep")
    parser.add_argument(
        "--k-core", type=int, default=1, help="minimum number of interactions per user and per item"
    )
    parser.add_argument(
        "--split", type=Literal["random", "last", "time"], help="kind of split (default: random)"
    )
    parser.add_argument(
        "--time-column", help="column of times (numbers or dates), for the splits last and time"
    )
    parser.add_argument(
        "--split-column", help="column with the split of each row: train, val or test"
    )
    parser.add_argument(
        "--ratios",
        nargs=3,
        type=float,
        metavar=("TRAIN", "VAL", "TEST"),
        help="shares of the interactions, for the splits random and time (default: 0.8 0.1 0.1); "
        "1 0 0 holds nothing out, for 'train --final'",
    )
    parser.add_argument("--seed", type=int, help="seed of the split (default: 0)")
    parser.add_argument(
        "--like",
        metavar="DATA",
        help="earlier data folder: known pairs keep their split, and only new ones are split",
    )
    parser.add_argument(
        "--features",
        nargs="+",
        action="append",
        metavar="NAME=FILE",
        help="features per modality: .npy, or a table with the item column and vectors or numbers",
    )
    shared.add_embed(parser, "features to compute from texts and pictures, see below")
    parser.add_argument("--items", help="table of items, such as their titles and pictures")
    parser.add_argument("--item-ids", help="ids of the rows of .npy files: .txt, .npy or a table")
    parser.add_argument("--title-column", help="column of titles in --items (default: title)")
    parser.add_argument(
        "--image-column",
        help="column of pictures in --items (default: image, or what --embed encodes)",
    )
    parser.add_argument(
        "--image-folder", help="folder of relative picture paths (default: that of --items)"
    )
    parser.add_argument(
        "--keep-items", action="store_true", help="keep items of --items without interactions"
    )


def run(arguments: Namespace) -> None:
    """Prepares the data and writes a summary to standard error."""
    options = arguments.as_dict()
    source, out = options.pop("file"), options.pop("out")
    if options["ratios"] is not None:
        options["ratios"] = tuple(options["ratios"])
    features: dict[str, ModalitySource] = {
        **shared.named_files(options.pop("features") or [], "--features", "image=image.npy")
    }
    items = options["items"] or item_file(source)
    root = options["image_folder"] or (items and Path(items).parent)
    features |= shared.encoders(arguments, root, features)
    del options["embed"], options["embed_cache"]
    prepared = prepare(source, out, features, **options)
    status.log(summary(prepared, out))


def summary(prepared: dict[str, Any], out: str) -> str:
    """Returns a summary of a data folder and of the dropped interactions from the description that
    :func:`soil_pyg.prepare` returns.
    """
    left = prepared["counts"]
    num_items = f"{left['items']:,} items"
    lines = [f"read     {_sizes(prepared['read'])}"]
    lines += [f"dropped  {_sizes(step)}: {step['why']}" for step in prepared["dropped"]]
    lines += [f"left     {left['users']:,} users, {num_items}, {_per_split(left)}"]
    if "like" in prepared:
        lines += [f"{name:8} {_per_split(prepared['like'][name])}" for name in ("kept", "new")]
        if any(prepared["like"]["gone"].values()):
            gone = _per_split(prepared["like"]["gone"])
            lines.append(f"gone     {gone}: known pairs that are absent or dropped")
    if prepared["tied"]["pairs"]:
        tied = prepared["tied"]
        lines.append(
            f"tied     {tied['pairs']:,} held-out pairs ({tied['share']:.1%}): of equal times, "
            "placed by a hash of ids and seed"
        )
    for name, modality in prepared["modalities"].items():
        missing = f"missing for {modality['missing']:,} of {num_items}"
        lines.append(f"features {name}: {modality['channels']:,} channels, {missing}")
    if prepared["ignored_feature_rows"]:
        lines.append(f"ignored  {prepared['ignored_feature_rows']:,} feature rows of other items")
    if prepared.get("items_without_row"):
        lines.append(f"missing  {prepared['items_without_row']:,} items are not in the item table")
    return "\n".join([*lines, f"written  {out}"])


def _per_split(sizes: dict[str, int]) -> str:
    return ", ".join(f"{sizes[split]:,} {split}" for split in SPLITS) + " pairs"


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{sizes[name]:,} {name}" for name in ("users", "items", "pairs"))
