import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from soil_bench.tuning.space import Space
from soil_bench.tuning.study import OnEpoch, Study, Trial, best
from soil_bench.tuning.training import FailedTrialError

CONFIGURED = {"a": 3, "b": "y"}
Make = Callable[..., Study]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a study of 12 combinations."""

    def make(file: str = "a.db", name: str = "name", seed: int = 0) -> Study:
        space = Space({"a": [1, 2, 3, 4], "b": ["x", "y", "z"]}, CONFIGURED)
        return Study(tmp_path / "studies" / file, name, space, seed)

    return make


def value_of(options: dict[str, Any]) -> float:
    return options["a"] / 10 + (options["b"] == "z") / 100


def train(options: dict[str, Any], on_epoch: OnEpoch) -> float:
    on_epoch([value_of(options)])
    return value_of(options)


def interrupt(options: dict[str, Any], on_epoch: OnEpoch) -> float:
    raise KeyboardInterrupt


def first(study: Study, num_trials: int) -> list[Trial]:
    """Returns the first trials, after making those that are missing."""
    trials = study.trials()
    while len(trials) < num_trials and (trial := study.step(train)) is not None:
        trials.append(trial)
    return trials


def garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 500)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeros(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def statement(text: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(text)

    return change


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        half,
        zeros,
        folder,
        statement("DROP TABLE trial_values"),
        statement("UPDATE alembic_version SET version_num = 'x'"),
        statement("UPDATE trial_user_attributes SET value_json = '{'"),
        statement("DELETE FROM trial_user_attributes"),
        statement('UPDATE trial_user_attributes SET value_json = \'{"c": "1"}\''),
    ],
)
def test_a_damaged_file_is_named(
    make: Make, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    first(make(), 2)
    path = tmp_path / "studies" / "a.db"
    damage(path)
    with pytest.raises(ValueError, match=f"'{path}'.*'--out'"):
        make()


def test_a_locked_file_is_named(make: Make, tmp_path: Path) -> None:
    first(make(), 1)
    path = tmp_path / "studies" / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ValueError, match=f"'{path}'.*locked"):
            make()
    assert len(make().trials()) == 1


def test_nothing_is_tried_twice_and_the_study_ends_with_its_space(make: Make) -> None:
    trials = first(make(), 20)
    assert trials[0].options == CONFIGURED
    assert [trial.number for trial in trials] == list(range(1, 13))
    assert len({tuple(trial.options.items()) for trial in trials}) == 12
    assert {trial.state for trial in trials} == {"complete"}
    assert [trial.value for trial in trials] == [value_of(trial.options) for trial in trials]
    assert [trial.epochs for trial in trials] == [1] * 12
    assert make().trials() == trials
    assert make().step(interrupt) is None


def test_the_seed_decides_the_trials(make: Make) -> None:
    trials = first(make(), 7)
    assert first(make("b.db"), 7) == trials
    other = first(make("c.db", seed=1), 3)
    assert other[0] == trials[0]
    assert other != trials[:3]


def test_studies_of_other_names_share_the_file_alone(make: Make) -> None:
    trials = first(make(), 1)
    other = make(name="other")
    assert other.trials() == []
    assert first(other, 1) == trials
    assert make().trials() == trials


def test_settings_that_do_well_are_drawn_more_often(tmp_path: Path) -> None:
    values = list(range(6))
    study = Study(tmp_path / "a.db", "name", Space({"a": values, "b": values}, {"a": 0, "b": 0}), 0)

    def prefer(options: dict[str, Any], on_epoch: OnEpoch) -> float:
        return float(options["a"] == 4) + float(options["b"] == 2) / 2

    for _ in range(15):
        study.step(prefer)
    # Of as many drawn evenly it would be a sixth.
    assert sum(trial.options["a"] == 4 for trial in study.trials()) >= 5


@pytest.mark.parametrize("interrupted", [0, 6])
def test_interrupted_study_goes_the_same_way(make: Make, interrupted: int) -> None:
    whole = first(make("whole.db"), interrupted + 2)
    study = make()
    first(study, interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.step(interrupt)
    assert make().trials() == whole[:interrupted]
    # Interrupted again, before anything is done.
    with pytest.raises(KeyboardInterrupt):
        make().step(interrupt)
    assert first(make(), len(whole)) == whole


def test_interrupted_trial_comes_first_with_another_seed(make: Make) -> None:
    study = make()
    first(study, 1)
    begun = []

    def stop(options: dict[str, Any], on_epoch: OnEpoch) -> float:
        begun.append(options)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.step(stop)
    trial = make(seed=5).step(train)
    assert trial is not None
    assert [trial.options] == begun
    assert len(make().trials()) == 2


def test_interruption_between_two_steps_of_the_study(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = first(make("whole.db"), 3)
    study = make()
    first(study, 1)
    # Put in line, but not begun.
    with monkeypatch.context() as patch:
        patch.setattr(study._study, "ask", lambda distributions: interrupt({}, print))
        with pytest.raises(KeyboardInterrupt):
            study.step(train)
    # Begun, and put in line again, but not marked.
    with pytest.raises(KeyboardInterrupt):
        make().step(interrupt)
    with monkeypatch.context() as patch:
        patch.setattr("optuna.Study.tell", lambda *args, **options: interrupt({}, print))
        with pytest.raises(KeyboardInterrupt):
            make()
    assert first(make(), 3) == whole


def test_epochs_before_an_interruption_are_reported_later(make: Make) -> None:
    def go_on(options: dict[str, Any], on_epoch: OnEpoch) -> float:
        on_epoch([0.1, 0.2, 0.3])
        on_epoch([0.1, 0.2, 0.3, 0.4])
        on_epoch([0.1, 0.2, 0.3, 0.4])
        return 0.4

    trial = make().step(go_on)
    assert trial is not None
    assert trial.epochs == 4


def test_no_trial_is_pruned(make: Make) -> None:
    """Trials that fall behind from the first epoch on are trained to their end as well."""

    def follow(options: dict[str, Any], on_epoch: OnEpoch) -> float:
        values = [value_of(options) * epoch for epoch in range(1, 31)]
        for epoch in range(30):
            on_epoch(values[: epoch + 1])
        return values[-1]

    study = make()
    trials = []
    while (trial := study.step(follow)) is not None:
        trials.append(trial)
    assert len(trials) == 12
    assert {(trial.state, trial.epochs) for trial in trials} == {("complete", 30)}
    assert study.trials() == trials


def test_trials_that_fail_are_not_tried_again(make: Make) -> None:
    def fail(options: dict[str, Any], on_epoch: OnEpoch) -> float:
        if options["b"] == "y":
            raise FailedTrialError("as told")
        return value_of(options)

    study = make()
    trials = []
    while (trial := study.step(fail)) is not None:
        trials.append(trial)
    assert len(trials) == 12
    assert [trial.state == "failed" for trial in trials] == [t.options["b"] == "y" for t in trials]
    assert trials[0] == Trial(1, CONFIGURED, "failed", None, 0, "as told")
    assert make().trials() == trials


def test_the_best_is_complete_and_the_earliest() -> None:
    states = ["complete", "complete", "complete", "failed"]
    values = [0.1, 0.3, 0.3, None]
    trials = [
        Trial(number, {}, state, value, 1)
        for number, (state, value) in enumerate(zip(states, values, strict=True), start=1)
    ]
    assert best(trials) is trials[1]
    assert best(trials[3:]) is None
