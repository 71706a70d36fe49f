"""The study of a search: the settings tried so far and the next ones, in a SQLite file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soil_bench.tuning.space import Space, Texts
from soil_bench.tuning.training import FailedTrialError, OnEpoch

DRAWN_EVENLY = 5
"""The number of trials with uniformly drawn settings, before the results guide the draws."""
CANDIDATES = (24, 12, 6, 3, *[1] * 10)
"""The number of candidates of each draw, until it yields untried settings: fewer candidates vary
more. After the last draw, any untried settings are taken."""
COMPLETE, FAILED = "complete", "failed"
TEXTS, ERROR = "settings", "error"
"""Attributes of trials in the file."""
Train = Callable[[dict[str, Any], OnEpoch], float]


@dataclass(frozen=True)
class Trial:
    """Settings that were tried to an end.

    Args:
        number (int): Its number among the finished trials, from 1 on.
        options (dict[str, Any]): The values of the searched options.
        state (str): :obj:`"complete"` or :obj:`"failed"`.
        value (float, optional): The val metric of a complete trial, the mean over its seeds.
        epochs (int): The number of epochs of its first seed.
        error (str): The reason of a failure. (default: :obj:`""`)
    """

    number: int
    options: dict[str, Any]
    state: str
    value: float | None
    epochs: int
    error: str = ""


class Study:
    """The trials of a search by the Tree-structured Parzen Estimator of Optuna, without repeating
    settings. The next settings depend only on the seed and the finished trials, so that an
    interrupted study continues like an uninterrupted one. No trial is pruned, since that would
    favour settings that learn fast over settings that learn more.

    Args:
        path (Path): The file. No other process may use the same study.
        name (str): The name of the study: trials of the same name can be compared.
        space (Space): The settings to try.
        seed (int): The seed.

    Raises:
        ValueError: If the file is damaged, locked or not a database of studies.
    """

    def __init__(self, path: Path, name: str, space: Space, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._space = space
        self._seed = seed
        self._distributions: dict[str, Any] = {
            name: optuna.distributions.CategoricalDistribution(texts)
            for name, texts in space.texts.items()
        }
        with _naming(path):
            self._study = optuna.create_study(
                storage=f"sqlite:///{path.resolve()}",
                study_name=name,
                direction="maximize",
                pruner=optuna.pruners.NopPruner(),
                # Every trial is enqueued with its settings.
                sampler=optuna.samplers.RandomSampler(),
                load_if_exists=True,
            )
            self._take_up()
            self.trials()

    def trials(self) -> list[Trial]:
        """Returns the finished trials, without interrupted ones."""
        return [self._trial(n, trial) for n, trial in enumerate(self._finished(), start=1)]

    def step(self, train: Train) -> Trial | None:
        """Tries the next settings; returns :obj:`None` if all were tried.

        Args:
            train (callable): Returns the value of settings; its second argument is a function to
                call after every epoch with the values of all epochs.
        """
        import optuna

        if not self._in_state("WAITING"):
            texts = self._draw()
            if texts is None:
                return None
            self._enqueue(texts)
        live = self._study.ask(self._distributions)
        reported = 0

        def on_epoch(values: list[float]) -> None:
            nonlocal reported
            for number, value in enumerate(values[reported:], start=reported + 1):
                live.report(value, number)
            reported = len(values)

        number = len(self._finished()) + 1
        states = optuna.trial.TrialState
        try:
            value = train(self._space.values_of(live.user_attrs[TEXTS]), on_epoch)
        except FailedTrialError as error:
            live.set_user_attr(ERROR, str(error))
            return self._trial(number, self._study.tell(live, state=states.FAIL))
        return self._trial(number, self._study.tell(live, value))

    def _draw(self) -> Texts | None:
        """Returns untried settings, or :obj:`None` if all were tried."""
        import optuna

        tried = {self._space.key(trial.user_attrs[TEXTS]) for trial in self._finished()}
        if len(tried) == self._space.size:
            return None
        if not tried:
            return self._space.first
        rng = np.random.default_rng([self._seed, len(tried)])
        trial = optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING)
        for candidates in CANDIDATES:
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=DRAWN_EVENLY,
                n_ei_candidates=candidates,
                multivariate=True,
                constant_liar=False,
                seed=int(rng.integers(2**32)),
            )
            texts = sampler.sample_relative(self._study, trial, self._distributions)
            if texts and self._space.key(texts) not in tried:
                return texts
        return self._space.untried(int(rng.integers(self._space.size)), tried)

    def _take_up(self) -> None:
        """Enqueues the running trials again: as no other process uses the study, they stopped."""
        import optuna

        waiting = [trial.user_attrs[TEXTS] for trial in self._in_state("WAITING")]
        for trial in self._in_state("RUNNING"):
            texts = trial.user_attrs[TEXTS]
            # Enqueued before it is marked, so that an interruption here does not lose the trial.
            if ERROR not in trial.user_attrs and texts not in waiting:
                self._enqueue(texts)
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def _enqueue(self, texts: Texts) -> None:
        # Also an attribute, as a trial gets its parameters only some time after it has begun.
        self._study.enqueue_trial(texts, user_attrs={TEXTS: texts})

    def _in_state(self, name: str) -> list[Any]:
        return [t for t in self._study.get_trials(deepcopy=False) if t.state.name == name]

    def _finished(self) -> list[Any]:
        return [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.name == "COMPLETE" or ERROR in trial.user_attrs
        ]

    def _trial(self, number: int, trial: Any) -> Trial:
        values = list(trial.intermediate_values.values())
        state, value = FAILED, None
        if trial.state.name == "COMPLETE":
            state, value = COMPLETE, trial.value
            if value is None:
                raise ValueError(f"trial {trial.number} has no value")
        return Trial(
            number=number,
            options=self._space.values_of(trial.user_attrs[TEXTS]),
            state=state,
            value=value,
            epochs=len(values),
            error=trial.user_attrs.get(ERROR, ""),
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Makes all errors about a database name its file."""
    try:
        yield
    except Exception as error:
        reason = str(getattr(error, "orig", None) or f"{type(error).__name__}: {error}")
        raise ValueError(
            f"'{path}' cannot be read as a database of studies ({reason:.200}): remove it, or "
            "choose another folder with '--out'"
        ) from error


def best(trials: list[Trial]) -> Trial | None:
    """Returns the first complete trial with the best value, or :obj:`None` if there is none."""
    complete = [trial for trial in trials if trial.state == COMPLETE]
    return max(complete, key=lambda trial: trial.value or 0.0, default=None)
