from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soil_bench.tuning.space import Space
from soil_bench.tuning.study import ROUND, Study, Trial, best
from soil_bench.tuning.training import Outcome

CONFIGURED = {"a": 3, "b": "y"}
Make = Callable[..., Study]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a study of 12 combinations."""

    def make(file: str = "a.journal", name: str = "name", seed: int = 0) -> Study:
        space = Space({"a": [1, 2, 3, 4], "b": ["x", "y", "z"]}, CONFIGURED)
        return Study(tmp_path / "studies" / file, name, space, seed)

    return make


def value_of(options: dict[str, Any]) -> float:
    return options["a"] / 10 + (options["b"] == "z") / 100


def first(study: Study, num_trials: int, order: int = 1) -> list[Trial]:
    """Returns the first trials, after making those that are missing; a round may be backwards."""
    while missing := study.missing(num_trials):
        for number in list(missing)[::order]:
            study.add(number, missing[number], Outcome(value_of(missing[number]), 1))
    return study.trials()


def garbage(path: Path) -> None:
    path.write_bytes(b"no journal\n" * 500)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def change(old: bytes, new: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))

    return write


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        folder,
        change(b'"op_code"', b'"other"'),
        change(b'"number"', b'"other"'),
        change(b'"settings":{"a"', b'"settings":{"c"'),
    ],
)
def test_a_damaged_file_is_named(
    make: Make, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    first(make(), 2)
    path = tmp_path / "studies" / "a.journal"
    damage(path)
    with pytest.raises(ValueError, match=f"'{path}'.*'--out'"):
        make()


def test_half_a_line_is_dropped(make: Make, tmp_path: Path) -> None:
    """A process that was killed may have left it."""
    trials = first(make(), 7)
    path = tmp_path / "studies" / "a.journal"
    path.write_bytes(path.read_bytes()[:-20])
    assert make().trials() == trials[:-1]
    assert first(make(), 7) == trials
    assert make().trials() == trials


def test_nothing_is_tried_twice_and_the_study_ends_with_its_space(make: Make) -> None:
    trials = first(make(), 20)
    assert trials[0].options == CONFIGURED
    assert [trial.number for trial in trials] == list(range(1, 13))
    assert len({tuple(trial.options.items()) for trial in trials}) == 12
    assert {trial.state for trial in trials} == {"complete"}
    assert [trial.value for trial in trials] == [value_of(trial.options) for trial in trials]
    assert [trial.epochs for trial in trials] == [1] * 12
    assert make().trials() == trials
    assert make().missing(20) == {}


def test_the_seed_decides_the_trials(make: Make) -> None:
    trials = first(make(), 7)
    assert first(make("b.journal"), 7) == trials
    other = first(make("c.journal", seed=1), 3)
    assert other[0] == trials[0]
    assert other != trials[:3]


def test_studies_of_other_names_share_the_file_alone(make: Make) -> None:
    trials = first(make(), 1)
    other = make(name="other")
    assert other.trials() == []
    assert first(other, 1) == trials
    assert make().trials() == trials


def test_a_study_keeps_its_seed(make: Make) -> None:
    expected = first(make(), 8)
    other = make("other.journal")
    assert (first(other, 3), other.seed) == (expected[:3], 0)
    again = make("other.journal", seed=7)
    assert (first(again, 8), again.seed) == (expected, 0)


def test_a_lock_of_a_killed_process_has_an_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna.storages.journal import JournalFileBackend

    paths = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "optuna.storages.journal.JournalFileBackend",
        lambda path: paths.append(path) or JournalFileBackend(path),
    )
    Study(Path("studies", "a.journal"), "name", Space({"a": [1, 2]}, {"a": 1}), 0)
    # The lock is a link to the path as it is given, whose age Optuna reads.
    assert paths == [str(tmp_path / "studies" / "a.journal")]


def test_settings_that_do_well_are_drawn_more_often(tmp_path: Path) -> None:
    values = list(range(6))
    space = Space({"a": values, "b": values}, {"a": 0, "b": 0})
    study = Study(tmp_path / "a.journal", "name", space, 0)
    while missing := study.missing(20):
        for number, options in missing.items():
            value = float(options["a"] == 4) + float(options["b"] == 2) / 2
            study.add(number, options, Outcome(value, 1))
    # Of as many drawn evenly it would be a sixth.
    assert sum(trial.options["a"] == 4 for trial in study.trials()) >= 5


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("finished", [0, 3, 5, 7])
def test_neither_interruptions_nor_the_order_change_the_trials(
    make: Make, finished: int, order: int
) -> None:
    whole = first(make("whole.journal"), 12)
    assert make().missing(12) == {trial.number: trial.options for trial in whole[:ROUND]}
    assert first(make(), finished, order) == whole[:finished]
    assert first(make(), 12, order) == whole


def test_a_later_trial_of_a_round_may_end_first(make: Make) -> None:
    whole = first(make("whole.journal"), 12)
    for trial in (whole[3], whole[1]):
        make().add(trial.number, trial.options, Outcome(trial.value, trial.epochs))
    assert set(make().missing(12)) == {1, 3, 5}
    assert first(make(), 12) == whole


def test_trials_that_fail_are_not_tried_again(make: Make) -> None:
    study = make()
    while missing := study.missing(20):
        for number, options in missing.items():
            failed = options["b"] == "y"
            outcome = Outcome(None, 0, "as told") if failed else Outcome(value_of(options), 1)
            study.add(number, options, outcome)
    trials = make().trials()
    assert len(trials) == 12
    assert [trial.state == "failed" for trial in trials] == [t.options["b"] == "y" for t in trials]
    assert trials[0] == Trial(1, CONFIGURED, "failed", None, 0, "as told")


def test_the_best_is_complete_and_the_earliest() -> None:
    states = ["complete", "complete", "complete", "failed"]
    values = [0.1, 0.3, 0.3, None]
    trials = [
        Trial(number, {}, state, value, 1)
        for number, (state, value) in enumerate(zip(states, values, strict=True), start=1)
    ]
    assert best(trials) is trials[1]
    assert best(trials[3:]) is None
