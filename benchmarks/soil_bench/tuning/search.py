"""Trials one by one in this process, or several at a time in processes of their own."""

import fcntl
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soil_bench.runs.execution import run_processes
from soil_bench.runs.experiment import Experiment, FailedRunsError
from soil_bench.runs.jobs import outcome
from soil_bench.tuning.report import options_text, outcome_text
from soil_bench.tuning.study import Study, Trial, best
from soil_bench.tuning.training import Outcome, Training

MODULE = "soil_bench.tuning.training"
"""The module of a trial's process."""


@dataclass(frozen=True)
class Search:
    """The trials of a study.

    Args:
        experiment (Experiment): The data, the console and how runs are executed.
        training (Training): The training of a trial.
        study (Study): The study.
        metric (str): The val metric.
    """

    experiment: Experiment
    training: Training
    study: Study
    metric: str

    def run(self, wanted: int) -> list[Trial]:
        """Runs the missing ones of a number of trials and returns all.

        Raises:
            FailedRunsError: If the process of a trial is killed.
        """
        console, trials = self.experiment.console, self.study.trials()
        if trials:
            console.print(f"{len(trials)} trials finished before, not run again")
        # An interruption may have left the folder of a finished trial.
        for finished in trials:
            self.training.forget(finished.options)
        while missing := self.study.missing(wanted):
            with closing(self._outcomes(missing, wanted)) as ended:
                for number, found in ended:
                    trial = self.study.add(number, missing[number], found)
                    self.training.forget(trial.options)
                    text = outcome_text(trial, best(self.study.trials()), self.metric)
                    self._print(number, wanted, text)
        trials = self.study.trials()
        if len(trials) < wanted:
            console.print(f"all {len(trials)} combinations were tried")
        return trials

    def _outcomes(
        self, missing: dict[int, dict[str, Any]], wanted: int
    ) -> Generator[tuple[int, Outcome], None, None]:
        execution, plan = self.experiment.execution, self.experiment.plan
        if execution.executor is None:
            for number, options in missing.items():
                self._print(number, wanted, options_text(options))
                yield number, self.training.run(options)
            return
        numbers = list(missing)
        lines = [self.training.line(missing[n], plan.dataset, plan.root) for n in numbers]
        logs = [self.experiment.out / "logs" / f"{self.training.name}-{n}.log" for n in numbers]

        def start(place: int) -> None:
            self._print(numbers[place], wanted, options_text(missing[numbers[place]]))

        with closing(run_processes(MODULE, lines, execution, logs, start)) as ended:
            for place, code in ended:
                number = numbers[place]
                if code != 0:
                    raise FailedRunsError(f"trial {number} {outcome(code)}: see {logs[place]}")
                yield number, self.training.outcome(missing[number])

    def _print(self, number: int, wanted: int, text: str) -> None:
        self.experiment.console.print(f"[{number}/{wanted}] {text}", markup=False, soft_wrap=True)


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Holds a lock that one process can hold at a time.

    Raises:
        ValueError: If another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"'{path}' is locked: another process is searching the settings of this model"
            ) from error
        yield
