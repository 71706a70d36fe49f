from collections.abc import Callable
from pathlib import Path

import pytest

ERRORS: dict[str, list[tuple[list[str], str]]] = {
    "": [
        (["--soil.q", "5"], "unrecognized arguments: --soil.q 5"),
        (["--soil.hidden", "5"], "unrecognized arguments: --soil.hidden 5"),
        (["--epoch", "5"], "unrecognized arguments: --epoch 5"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["more"], "unrecognized arguments: more"),
        (["--models", "soil", "--bpr.reg", "1"], "unrecognized arguments: --bpr.reg 1; settings"),
        (["--soil.k", "many"], 'argument "--soil.k":.*Got value: many'),
        (["--soil.k", "1.5"], 'argument "--soil.k":.*Got value: 1.5'),
        (["--bpr.reg", "x"], 'argument "--bpr.reg":.*Got value: x'),
        (["--lightgcn.lr", "x"], 'argument "--lightgcn.lr":.*Got value: x'),
        (["--soil.k"], "argument --soil.k: expected one argument"),
        (["--soil.k", "0"], "model 'soil': 'k' must be at least 1 .got 0."),
        (
            ["--bpr.num_partitions", "9999"],
            "model 'bpr': 'num_partitions' must be at most the number of",
        ),
        (["--bpr.ks", "[5]"], "model 'bpr': 'ks' must hold 10 and 20, which the tables show .got"),
        (["--out", __file__], "'--out' must be a writable folder .got"),
        (["--bpr.lr", "-1"], "model 'bpr': 'lr' must be greater than 0 .got -1.0."),
        (
            ["--soil.modalities", "[smell]"],
            "'modalities' must be .*: audio, image, text .got",
        ),
        (["--seeds", "0"], 'argument "--seeds":.* 0 '),
        (["--epochs", "0"], 'argument "--epochs":'),
        (["--profile", "published"], 'argument "--profile":.*Got value: published'),
        (["--device", "tpu"], 'argument "--device":.*Got value: tpu'),
        (["--models", "sole"], "'sole' is not one of .*lightgcn, .*soil"),
        (["--models", "bpr,bpr"], "'--models' must name each model once .got 'bpr,bpr'."),
        (["--models", ""], "'' is not one of .*bpr"),
        (["--models"], "expected one argument"),
        (["--dataset", "small"], "small.inter is missing"),
    ],
    "tune --model bpr": [
        (["--search.q", "5"], "'--search.q': model 'bpr' has no option 'q'"),
        (["--search.reg", "much"], "'--search.reg': .*Got value: much"),
        (["--search.reg", "[]"], "'--search.reg' must hold at least one value"),
        (["--search.lr", "0.1,-1"], "model 'bpr': 'lr' must be greater than 0 .got -1.0."),
        (["--search.metric", "recall@10"], "'--search.metric'"),
        (["--search", "reg"], 'argument "--search":'),
        (["--model", "popularity"], "model 'popularity' has no search space"),
        (["--model", "sole"], "'sole' is not one of"),
        (["--model", "soil", "--profile", "published"], "'profile' must be one of paper, released"),
        (["--profile", "best"], "'--profile' must not be given for model 'bpr'"),
        (
            ["--search.num_partitions", "1,99999"],
            "'num_partitions' must be at most the number of users",
        ),
        (["--trial", "3"], "unrecognized arguments: --trial 3"),
        (["--trials", "0"], 'argument "--trials":'),
        (["--trial-seeds", "0"], 'argument "--trial.seeds":'),
        (["--sampler-seed", "-1"], 'argument "--sampler.seed":'),
        (["--dataset", "small"], "small.inter is missing"),
    ],
    "paper table2": [
        (["--models", "bpr,bpr"], "'--models' must name each model once"),
        (["--models", "bpr,sole"], "'sole' is not one of"),
        (["--profile", "published"], "--profile"),
        (["--dataset", "none"], "none.inter is missing"),
    ],
    "missing": [
        (["--models", "bpr"], "'--models' must name models that read features .got 'bpr'."),
        (["--models", "soil, soil"], "'--models' must name each model once .got 'soil, soil'."),
        (["--rates", "0"], "--rates"),
        (["--rates", "1.5"], "--rates"),
    ],
    "newcomers": [(["--share", "1.5"], "--share")],
    "fidelity": [(["--profile", "paper"], "--profile")],
    "graphs": [
        (["--repeat", "0"], 'argument "--repeat":'),
        (["--channels", "{}"], "'--channels' must name at least one modality .got none."),
        (["--channels", '{"image": 0}'], 'argument "--channels'),
        (["--device", "tpu"], 'argument "--device":.*Got value: tpu'),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--rep", "2"], "unrecognized arguments: --rep 2"),
    ],
    "scale": [
        (["--items", "0"], 'argument "--items"'),
        (["--items"], "argument --items: expected at least one argument"),
        (["--channels", "{}"], "'--channels' must name at least one modality .got none."),
        (["--whole-up-to", "-1"], 'argument "--whole'),
        (["--part", "2"], "unrecognized arguments: --part 2"),
    ],
    "libraries": [
        (["--rounds", "0"], "--rounds"),
        (["--roun", "3"], "--roun"),
        (["--only", "speed"], "--only"),
        (["--seed", "-1"], "--seed"),
    ],
}
"""The arguments that each command refuses, and a pattern of the message."""
SPEED = ("graphs", "scale", "libraries")
"""The commands that train no models."""
CASES = [(name, *case) for name, cases in ERRORS.items() for case in cases]


@pytest.mark.parametrize(("command", "more", "message"), CASES)
def test_errors(
    tiny: list[str],
    out: Path,
    refuses: Callable[[list[str], str], None],
    command: str,
    more: list[str],
    message: str,
) -> None:
    given = ["--out", str(out)] if command in SPEED else tiny
    refuses([*command.split(), *given, *more], message)
