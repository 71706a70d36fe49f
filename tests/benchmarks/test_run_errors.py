from collections.abc import Callable
from pathlib import Path

import pytest

import run

UNKNOWN = {
    "": ["--soil.q 5", "--soil.hidden 5", "--epoch 5", "--nonsense", "more"],
    "tune": ["--trial 3"],
    "fidelity": ["--profile paper"],
    "graphs": ["--nonsense", "--rep 2"],
    "scale": ["--part 2"],
    "libraries": ["--roun 3"],
}
"""Arguments that a command does not have."""
VALUES = {
    "": [
        *["--soil.k many", "--soil.k 1.5", "--bpr.reg x", "--lightgcn.lr x"],
        *[
            "--seeds 0",
            "--seeds 99999999999999999999",
            "--epochs 0",
            "--profile published",
            "--device tpu",
        ],
    ],
    "tune": ["--search reg", "--trials 0", "--trial-seeds 0", "--sampler-seed -1"],
    "paper table2": ["--profile published"],
    "missing": ["--rates 0", "--rates 1.5"],
    "growth": ["--batches-per-step 0", "--batches-per-step 1.5", "--batches-per-step auto"],
    "patience": ["--patiences 0", "--patiences 1.5"],
    "newcomers": ["--share 1.5"],
    "graphs": ["--repeat 0", "--device tpu"],
    "scale": ["--items 0", "--whole-up-to -1"],
    "libraries": ["--rounds 0", "--only speed", "--seed -1"],
}
"""Arguments whose value has the wrong type or is out of range."""
OTHERS = {
    "": [
        ("--models soil --bpr.reg 1", "unrecognized arguments: --bpr.reg 1; settings"),
        ("--soil.k", "--soil.k: expected one argument"),
        ("--soil.k 0", "model 'soil': '--soil.k' must be at least 1 .got 0."),
        (
            "--bpr.num_partitions 9999",
            "model 'bpr': '--bpr.num_partitions' must be at most the number",
        ),
        ("--bpr.ks [5]", "model 'bpr': '--bpr.ks' must hold 10 and 20, which the tables show .got"),
        (f"--out {__file__}", "--out: must be a writable folder .got"),
        ("--out=", "--out: must be a writable folder .got ''."),
        ("--bpr.lr -1", "model 'bpr': '--bpr.lr' must be greater than 0 .got -1.0."),
        ("--soil.modalities [smell]", "'--soil.modalities'.*audio, image, text .got 'smell'"),
        ("--models sole", "'--models' must be one of .*lightgcn, .*soil.*'sole'"),
        ("--models bpr,bpr", "'--models' must name each model once .got 'bpr,bpr'."),
        ("--models=", "'--models' must "),
        ("--models", "expected one argument"),
        ("--dataset small", "small.inter is missing"),
    ],
    "tune --models bpr": [
        ("--search.q 5", "'--search.q': model 'bpr' has no option 'q'"),
        ("--search.reg much", "'--search.reg': .*Got value: much"),
        ("--search.reg []", "'--search.reg' must hold at least one value"),
        ("--search.lr 0.1,-1", "model 'bpr': '--search.lr' must be greater than 0 .got -1.0."),
        ("--search.metric recall@10", "'--search.metric'"),
        ("--models popularity", "model 'popularity' has no search space"),
        ("--models sole", "'--models' must be one of .*'sole'"),
        ("--models bpr,bpr", "'--models' must name each model once"),
        ("--models soil --profile published", "'--profile' must be one of paper, released"),
        ("--profile best", "'--profile' must not be given for model 'bpr'"),
        ("--search.num_partitions 1,99999", "'--search.num_partitions' must be at most the number"),
        ("--dataset small", "small.inter is missing"),
    ],
    "paper table2": [
        ("--models bpr,bpr", "'--models' must name each model once"),
        ("--models bpr,sole", "'--models' must be one of .*'sole'"),
        ("--dataset none", "none.inter is missing"),
    ],
    "missing": [
        ("--models bpr", "'--models' must name models that read features .got 'bpr'."),
        ("--models soil,soil", "'--models' must name each model once .got 'soil,soil'."),
    ],
    "graphs": [
        ("--channels {}", "'--channels' must name at least one modality .got none."),
        ('--channels {"image":0}', "--channels.*"),
    ],
    "scale": [
        ("--items", "--items: expected at least one argument"),
        ("--channels {}", "'--channels' must name at least one modality .got none."),
    ],
}
"""Other arguments that a command refuses, and a pattern of the message."""
SPEED = ("graphs", "scale", "libraries")
"""The commands that train no models."""
CASES = [(name, *case) for name, cases in OTHERS.items() for case in cases]
for name, texts in UNKNOWN.items():
    CASES += [(name, text, f"unrecognized arguments: {text}") for text in texts]
for name, texts in VALUES.items():
    for flag, value in map(str.split, texts):
        CASES.append(
            (name, f"{flag} {value}", f"{flag}(: | element 1: ).*{value}".replace("-", "."))
        )


@pytest.mark.parametrize(("command", "more", "message"), CASES)
def test_errors(
    tiny: list[str],
    out: Path,
    refuses: Callable[[list[str], str], None],
    command: str,
    more: str,
    message: str,
) -> None:
    given = ["--out", str(out)] if command in SPEED else tiny
    words, others = [*command.split(), *given], more.split()
    for flag in {word.partition("=")[0] for word in others} & set(words):
        place = words.index(flag)
        del words[place : place + 2]
    refuses([*words, *others], message)


def test_the_released_aggregation_is_refused_for_more_items_than_users(
    wide: list[str], refuses: Callable[[list[str], str], None]
) -> None:
    message = (
        "'--soil.aggregation' must be 'sum' or 'sym' .*got 'sym_user_index' for 15 users and 20 it"
    )
    refuses([*wide, "--models", "soil", "--soil.aggregation", "sym_user_index"], message)


@pytest.mark.parametrize(
    ("name", "advice"), [("step", "did you mean 'steps'?"), ("nothing", "it is one of libraries,")]
)
def test_unknown_commands(name: str, advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([name, "--seeds", "1"]) == 2
    assert f"no command '{name}': {advice}" in capsys.readouterr().err
