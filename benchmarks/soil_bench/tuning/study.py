"""The study of a search: the settings tried so far and the next ones, in a journal of Optuna."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soil_bench.tuning.space import Space, Texts
from soil_bench.tuning.training import Outcome

ROUND = 5
"""The number of trials that are drawn together, from the results of earlier rounds. Those of the
first round are drawn evenly."""
CANDIDATES = (24, 12, 6, 3, *[1] * 10)
"""The number of candidates of each draw, until it yields untried settings: fewer candidates vary
more. After the last draw, any untried settings are taken."""
COMPLETE, FAILED = "complete", "failed"
NUMBER, TEXTS, EPOCHS, ERROR, SEED = "number", "settings", "epochs", "error", "seed"
"""Attributes of trials and of studies in the file."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried to an end.

    Args:
        number (int): Its number, from 1 on.
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
    settings. No trial is pruned, since that would favour settings that learn fast over settings
    that learn more.

    Trials are drawn in rounds of :data:`ROUND`. The settings of a trial depend on the seed, its
    number and the trials of earlier rounds in the order of their numbers, so that neither
    interruptions nor the number of workers change them.

    Args:
        path (Path): The file, which only one process may write to.
        name (str): The name of the study: trials of the same name can be compared.
        space (Space): The settings to try.
        seed (int): The seed of a new study; another one keeps its own.

    Raises:
        ValueError: If the file is damaged or not a journal of studies.
    """

    def __init__(self, path: Path, name: str, space: Space, seed: int) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._space = space
        self._distributions: dict[str, Any] = {
            name: optuna.distributions.CategoricalDistribution(texts)
            for name, texts in space.texts.items()
        }
        with _naming(path):
            _drop_half_line(path)
            self._study = optuna.create_study(
                storage=optuna.storages.JournalStorage(JournalFileBackend(str(path.resolve()))),
                study_name=name,
                direction="maximize",
                load_if_exists=True,
            )
            self.trials()
            self.seed: int = self._study.user_attrs.get(SEED, seed)
            if SEED not in self._study.user_attrs:
                self._study.set_user_attr(SEED, seed)

    def trials(self) -> list[Trial]:
        """Returns the finished trials in the order of their numbers."""
        return [self._trial(trial) for trial in self._finished()]

    def missing(self, wanted: int) -> dict[int, dict[str, Any]]:
        """Returns the options of the next trials by their numbers: those of a round that are not
        finished, up to a number. Without any, all were tried.
        """
        finished = {trial.user_attrs[NUMBER]: trial for trial in self._finished()}
        last = min(wanted, self._space.size)
        first = next((n for n in range(1, last + 1) if n not in finished), None)
        if first is None:
            return {}
        start = first - (first - 1) % ROUND
        earlier = [trial for number, trial in finished.items() if number < start]
        texts = {number: trial.user_attrs[TEXTS] for number, trial in finished.items()}
        missing = {}
        for number in range(start, min(start + ROUND, last + 1)):
            if number not in finished:
                tried = {self._space.key(each) for each in texts.values()}
                texts[number] = self._draw(number, earlier, tried)
                missing[number] = self._space.values_of(texts[number])
        return missing

    def add(self, number: int, options: dict[str, Any], outcome: Outcome) -> Trial:
        """Adds a finished trial and returns it."""
        import optuna

        texts = self._space.texts_of(options)
        states = optuna.trial.TrialState
        trial = optuna.trial.create_trial(
            state=states.FAIL if outcome.value is None else states.COMPLETE,
            value=outcome.value,
            params=texts,
            distributions=self._distributions,
            user_attrs={
                **{NUMBER: number, TEXTS: texts},
                **{EPOCHS: outcome.epochs, ERROR: outcome.error},
            },
        )
        self._study.add_trial(trial)
        return self._trial(trial)

    def _draw(self, number: int, earlier: list[Any], tried: set[tuple[str, ...]]) -> Texts:
        """Returns untried settings."""
        import optuna

        if number == 1:
            return self._space.first
        rng = np.random.default_rng([self.seed, number - 1])
        # In memory, and in the order of numbers: the journal has the order in which they ended.
        study = optuna.create_study(direction="maximize")
        study.add_trials(earlier)
        trial = optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING)
        for candidates in CANDIDATES:
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=ROUND,
                n_ei_candidates=candidates,
                multivariate=True,
                constant_liar=False,
                seed=int(rng.integers(2**32)),
            )
            texts = sampler.sample_relative(study, trial, self._distributions)
            if texts and self._space.key(texts) not in tried:
                return texts
        return self._space.untried(int(rng.integers(self._space.size)), tried)

    def _finished(self) -> list[Any]:
        trials = self._study.get_trials(deepcopy=False)
        return sorted(trials, key=lambda trial: int(trial.user_attrs[NUMBER]))

    def _trial(self, trial: Any) -> Trial:
        known = trial.user_attrs
        return Trial(
            number=known[NUMBER],
            options=self._space.values_of(known[TEXTS]),
            state=FAILED if trial.value is None else COMPLETE,
            value=trial.value,
            epochs=known[EPOCHS],
            error=known[ERROR],
        )


def _drop_half_line(path: Path) -> None:
    # A process that was killed while it wrote; the next line would continue it.
    if path.is_file() and not (content := path.read_bytes()).endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Makes all errors about a journal name its file."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"'{path}' cannot be read as a journal of studies ({type(error).__name__}: "
            f"{error!s:.200}): remove it, or choose another folder with '--out'"
        ) from error


def best(trials: list[Trial]) -> Trial | None:
    """Returns the first complete trial with the best value, or :obj:`None` if there is none."""
    complete = [trial for trial in trials if trial.state == COMPLETE]
    return max(complete, key=lambda trial: trial.value or 0.0, default=None)
