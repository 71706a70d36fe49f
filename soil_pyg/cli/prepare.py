"""The command :obj:`soil-pyg prepare`."""

import os
import sys
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.datasets.modality_source import ModalitySource
from soil_pyg.encoders import parse_encoder
from soil_pyg.workflow.prepare import prepare

EXAMPLE = """\
example:
  soil-pyg prepare purchases.csv --out DATA --items items.csv \\
      --features image=image.npy text=text.parquet --k-core 5
  soil-pyg prepare purchases.csv --out DATA --items items.csv \\
      --embed image=pictures text=title"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.epilog = EXAMPLE
    parser.add_argument(
        "file",
        help="the interactions: a .csv, .tsv, .parquet or .jsonl file, a folder in the layout of "
        "MMRec, or a HeteroData as .pt or .safetensors",
    )
    parser.add_argument("--out", required=True, help="the data folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace a data folder")
    parser.add_argument("--name", help="name of the data; that of the file if not given")
    parser.add_argument("--user-column", default="user", help="column of the user ids")
    parser.add_argument("--item-column", default="item", help="column of the item ids")
    parser.add_argument("--rating-column", help="column of ratings")
    parser.add_argument("--min-rating", type=float, help="drop interactions with lower ratings")
    parser.add_argument(
        "--k-core", type=int, default=1, help="the least interactions of each user and item"
    )
    parser.add_argument(
        "--split", type=Literal["random", "last", "time"], help="how to split; random if not given"
    )
    parser.add_argument("--time-column", help="column of times, for the splits last and time")
    parser.add_argument("--split-column", help="column of a given split: train, val, test")
    parser.add_argument(
        "--ratios",
        nargs=3,
        type=float,
        default=[0.8, 0.1, 0.1],
        metavar=("TRAIN", "VAL", "TEST"),
        help="shares of the splits random and time",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the split random")
    parser.add_argument(
        "--features",
        nargs="+",
        action="append",
        metavar="NAME=FILE",
        help="features by modality: .npy, or a table with the item column and vectors or numbers",
    )
    parser.add_argument(
        "--embed",
        nargs="+",
        action="append",
        metavar="NAME=SOURCE[:MODEL]",
        help="features to make: text=COLUMN of --items, by the model all-MiniLM-L6-v2, tfidf or a "
        "folder; image=FOLDER of pictures called as the items, or image=COLUMN of paths, by "
        "efficientnet-lite0, colour-histogram or a file; a modality of another name as "
        "title:text=COLUMN",
    )
    parser.add_argument(
        "--embed-cache",
        default="auto",
        help="where features are kept as they are made, to go on after an interruption; auto is "
        "soil_pyg/embed in your folder of caches",
    )
    parser.add_argument("--items", help="a table of the items, such as of titles and pictures")
    parser.add_argument("--item-ids", help="ids of the rows of .npy files: .txt, .npy or a table")
    parser.add_argument("--title-column", help="column of titles in --items; title if not given")
    parser.add_argument("--image-column", help="column of pictures in --items; image if not given")
    parser.add_argument("--image-folder", help="where paths of pictures begin; beside --items")
    parser.add_argument(
        "--keep-items", action="store_true", help="keep items of --items without interactions"
    )


def run(arguments: Namespace) -> None:
    """Prepares the data and says on standard error what came of it.

    Args:
        arguments (Namespace): The arguments.
    """
    options = arguments.as_dict()
    source, out = options.pop("file"), options.pop("out")
    options["ratios"] = tuple(options["ratios"])
    features = read_features(options.pop("features") or [])
    root = options["image_folder"] or (options["items"] and Path(options["items"]).parent)
    add_encoders(features, options.pop("embed") or [], root, options.pop("embed_cache"))
    prepared = prepare(source, out, features, **options)
    sys.stderr.write(summary(prepared, out))


def read_features(groups: list[list[str]]) -> dict[str, ModalitySource]:
    """Returns the sources of features by modality.

    Args:
        groups (list[list[str]]): Texts such as :obj:`"image=image.npy"`.

    Raises:
        ValueError: If one has no name or names a modality again.
    """
    features: dict[str, ModalitySource] = {}
    for text in (text for group in groups for text in group):
        modality, equals, file = text.partition("=")
        if not (modality and equals and file):
            raise ValueError(f"--features must be NAME=FILE, as in image=image.npy (got {text!r})")
        if modality in features:
            raise ValueError(f"--features names {modality!r} twice: give each modality once")
        features[modality] = file
    return features


def add_encoders(
    features: dict[str, ModalitySource],
    groups: list[list[str]],
    root: str | os.PathLike[str] | None,
    cache: str,
) -> None:
    """Adds encoders to the sources of features by modality.

    Args:
        features (dict): The sources so far.
        groups (list[list[str]]): Texts such as :obj:`"text=title"`.
        root (str or os.PathLike, optional): Where relative paths of pictures begin.
        cache (str): The folder where features are kept as they are made.

    Raises:
        ImportError: If a model needs an extra that is not installed.
        ValueError: If one has another form, names a modality again or an unknown model.
    """
    for text in (text for group in groups for text in group):
        modality, encoder = parse_encoder(text, root, cache)
        if modality in features:
            raise ValueError(
                f"--embed names {modality!r}, which has features already: give each modality once"
            )
        features[modality] = encoder


def summary(prepared: dict[str, Any], out: str) -> str:
    """Returns the lines that say what is in a data folder and what was dropped.

    Args:
        prepared (dict[str, Any]): What :func:`soil_pyg.prepare` has returned.
        out (str): The folder.
    """
    read, left = prepared["read"], prepared["counts"]
    splits = ", ".join(f"{left[name]:,} {name}" for name in ("train", "val", "test"))
    lines = [f"read     {_count(read)}"]
    lines += [f"dropped  {_count(step)}: {step['why']}" for step in prepared["dropped"]]
    lines += [f"left     {left['users']:,} users, {left['items']:,} items, {splits} pairs"]
    for name, modality in prepared["modalities"].items():
        share = f"{modality['missing']:,} of {left['items']:,} items lack it"
        lines.append(f"features {name}: {modality['channels']:,} numbers an item, {share}")
    if prepared["ignored_feature_rows"]:
        lines.append(f"ignored  {prepared['ignored_feature_rows']:,} feature rows of other items")
    if prepared.get("items_without_row"):
        lines.append(f"missing  {prepared['items_without_row']:,} items are not in the item table")
    return "\n".join([*lines, f"written  {out}", ""])


def _count(sizes: dict[str, int]) -> str:
    return ", ".join(f"{sizes[name]:,} {name}" for name in ("users", "items", "pairs"))
