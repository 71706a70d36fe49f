"""Wrong values of the options of every model, which 'soil-pyg train' and 'run.py' take as flags."""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from shlex import quote
from typing import get_args

import values
from harness import Case
from soil_pyg import models
from soil_pyg.workflow.options import ModelOptions, Option

NON_NEGATIVE = {"a negative number": "-1"}
ABOVE_ZERO = {"a negative number": "-1", "zero": "0"}
NEGATIVE_SHARE = {"a negative number": "-0.1", "a number above one": "1.5"}
TOO_MUCH = {"a size for which there is no memory": str(10**12), "a huge number": str(10**20)}

RANGES: dict[str, Mapping[str, str]] = {
    "hidden_channels": ABOVE_ZERO | TOO_MUCH,
    "feature_channels": ABOVE_ZERO,
    "latent_channels": ABOVE_ZERO,
    "num_layers": NON_NEGATIVE,
    "num_routings": NON_NEGATIVE,
    "num_item_layers": NON_NEGATIVE,
    "num_modality_layers": NON_NEGATIVE,
    "num_hyper_layers": ABOVE_ZERO,
    "num_hyperedges": ABOVE_ZERO,
    "dropout": {"a negative number": "-0.1", "one": "1"},
    "node_dropout": {"a negative number": "-0.1", "one": "1"},
    "eps": NON_NEGATIVE,
    "contrast_layer": ABOVE_ZERO | {"a layer too many": "9"},
    "keep": NEGATIVE_SHARE | {"zero": "0"},
    "keep_rate": NEGATIVE_SHARE | {"zero": "0"},
    "alpha": NON_NEGATIVE,
    "noise": NON_NEGATIVE,
    "align_weight": NON_NEGATIVE,
    "mask_weight_f": NON_NEGATIVE,
    "mask_weight_g": NON_NEGATIVE,
    "cl_weight": NON_NEGATIVE,
    "kl_weight": NON_NEGATIVE,
    "neighbour_weight": NON_NEGATIVE,
    "bm_weight": NON_NEGATIVE,
    "um_weight": NON_NEGATIVE,
    "reg": NON_NEGATIVE,
    "extended_reg": NON_NEGATIVE,
    "l_ui": NON_NEGATIVE,
    "l_ii": NON_NEGATIVE,
    "tau": ABOVE_ZERO,
    "bm_tau": ABOVE_ZERO,
    "um_tau": ABOVE_ZERO,
    "ssl_tau": ABOVE_ZERO,
    "first_weight": NEGATIVE_SHARE,
    "original_weight": NEGATIVE_SHARE,
    "k": ABOVE_ZERO,
    "first_k": ABOVE_ZERO,
    "user_k": ABOVE_ZERO,
    "item_graph_k": ABOVE_ZERO,
    "num_neighbours": ABOVE_ZERO,
    "rank": ABOVE_ZERO,
    "k_modality": ABOVE_ZERO,
    "power": ABOVE_ZERO,
    "modality_weight": NON_NEGATIVE,
    "quadratic": {},
    "cubic": {},
    "k_i": ABOVE_ZERO,
    "k_a": ABOVE_ZERO,
    "shrink": NON_NEGATIVE,
    "second_order_scale": NON_NEGATIVE,
    "interest_scale": NON_NEGATIVE,
    "min_weight": NON_NEGATIVE,
    "recall": NEGATIVE_SHARE | {"zero": "0"},
    "memory_budget": ABOVE_ZERO,
    "index": {
        "an empty value": "",
        "an unknown index": "Nothing",
        "an index without neighbours": "HNSW0",
        "a list of none": "IVF0,Flat",
        "an index of no library": "Lists4",
        "more lists than items": "IVF1000,Flat",
        "an unknown parameter": "Flat;nprobe=3",
        "half a parameter": "IVF2,Flat;nprobe",
        "capitals": "FLAT",
    },
    "lr": ABOVE_ZERO,
    "lr_decay": ABOVE_ZERO,
    "lr_decay_epochs": ABOVE_ZERO,
    "weight_decay": NON_NEGATIVE,
    "batch_size": ABOVE_ZERO,
    "epochs": ABOVE_ZERO,
    "patience": ABOVE_ZERO,
    "batches_per_step": ABOVE_ZERO | {"a word": "many", "a fraction": "1.5"},
    "num_partitions": ABOVE_ZERO | {"more than users": "1000", "a huge number": str(10**20)},
    "metric": {"a length that is not in --ks": "recall@7", "no length": "recall"},
    "ks": {"a negative number": "-1", "zero": "0", "a list with zero": "5,0", "nothing": "[]"},
    "modalities": {
        "an unknown modality": "smell",
        "an unknown modality among others": "visual,smell",
        "one twice": "visual,visual",
        "nothing": "[]",
    },
}
"""The values of each option that have the right type and are out of its range."""

FIXED = "--epochs 1 --device cpu"


@cache
def model_names() -> tuple[str, ...]:
    """Returns the names of all models of the package."""
    classes = [getattr(models, name) for name in models.__all__]
    return tuple(c.__name__.lower() for c in classes if not inspect.isabstract(c))


def option_cases() -> Iterator[Case]:
    """Yields the cases of each option; options of the trainer are those of one model."""
    seen: set[str] = set()
    for model in model_names():
        for name, option in ModelOptions(model).options.items():
            if option.used_by == ("trainer",) and name in seen:
                continue
            wrong = _kinds(name, option, name in seen)
            seen.add(name)
            flag = f"--{name.replace('_', '-')}"
            fixed = FIXED if name != "epochs" else "--device cpu"
            line = f"soil-pyg train DATA --model {model} {fixed} --out NEW"
            for kind, value in wrong.items():
                yield Case(f"{line} {flag}={quote(value)}", kind, (flag,))


def _kinds(name: str, option: Option, only_range: bool) -> dict[str, str]:
    if isinstance(option.default, str):
        right = {"a number"} if int in get_args(option.type) else set()
        choice = {kind: value for kind, value in values.CHOICE.items() if kind not in right}
        return {**choice, **RANGES.get(name, {})}
    if option.type is bool:
        return {} if only_range else dict(values.SWITCH)
    kinds = {int: values.INTEGER, float: values.FLOAT}.get(option.type, {})
    return {**({} if only_range else kinds), **RANGES[name]}
