"""Searches the settings of a model by its val metric; the best are run and tested.

Trials are drawn by Optuna, and pruned when they fall behind. Finished trials and runs are not
repeated, and interrupted ones go on where they stopped. No trial sees the test split.
"""

import fcntl
import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.console import Console

from soil_bench.runs.arguments import add_run_arguments, make_console, make_parser, require
from soil_bench.runs.equivalence import SameResults, read_evidence
from soil_bench.runs.experiment import RECORDS_FOLDER, Experiment, FailedRunsError, Variant
from soil_bench.runs.results import machine_and_date, print_table
from soil_bench.runs.tables import print_report
from soil_bench.tuning.report import options_text, outcome_text, record_of, report_of, summary
from soil_bench.tuning.space import make_space
from soil_bench.tuning.study import Study, Trial, best
from soil_bench.tuning.training import OnEpoch, Training, without_test
from soil_pyg.utils.files import digest_of, write_json
from soil_pyg.workflow.options import ModelOptions


def main(argv: list[str]) -> int:
    """Runs the missing trials and the winner, and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    tuning = Tuning(arguments, console)
    trials = tuning.search()
    winner = best(trials)
    if winner is None:
        raise FailedRunsError(f"all {len(trials)} trials failed, the last: {trials[-1].error}")
    print_report(report_of(trials, winner, tuning.metric, tuning.title), console)
    experiment = tuning.experiment
    variant = tuning.variant(winner.options)
    runs = experiment.run([variant])[0]
    print_table(runs, console)
    found = record_of(trials, winner) | {
        "seeds": experiment.num_seeds,
        "runs": [job.key for job in experiment.jobs(variant)],
        "val": summary(runs, "val"),
        "test": summary(runs, "test"),
    }
    write_json(experiment.out / RECORDS_FOLDER / f"tuned-{tuning.name}.json", tuning.record | found)
    return 0


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("tune", __doc__)
    parser.add_argument("--model", default="soil", help="name, or package.module:Class")
    parser.add_argument(
        "--profile", type=str | None, help="profile of a model that has some (default: released)"
    )
    parser.add_argument(
        "--search",
        type=dict[str, Any],
        default={},
        help="values to try for an option, as --search.OPTION v1,v2, in place of those in the "
        "configuration of the model; a single value is fixed",
    )
    parser.add_argument(
        "--trials", type=PositiveInt, default=15, help="number of trials, including finished ones"
    )
    parser.add_argument(
        "--trial-seeds",
        type=PositiveInt,
        default=1,
        help="number of seeds per trial, whose mean counts",
    )
    parser.add_argument(
        "--sampler-seed", type=NonNegativeInt, default=0, help="seed of the selection of settings"
    )
    add_run_arguments(parser)
    arguments = parser.parse_args(argv)
    require("optuna", "the search")
    return arguments


class Tuning:
    """The search for the settings of a model on a data set.

    Args:
        arguments (Namespace): The arguments.
        console (Console): The console for progress.

    Raises:
        ValueError: If a setting or the data is invalid, or if there is nothing to search.
        OSError: If a file is missing.
    """

    def __init__(self, arguments: Namespace, console: Console) -> None:
        self.experiment = Experiment(arguments, console)
        self._arguments = arguments
        self._selected = ModelOptions(arguments.model)
        if arguments.profile is not None and not self._selected.model_class.profiles:
            raise ValueError(
                f"'--profile' must not be given for model '{arguments.model}', which has no "
                f"profiles (got '{arguments.profile}')"
            )
        self._profile: str | None = arguments.profile or self._selected.default_profile
        configured = self.experiment.jobs(self.variant({}))[0].record
        self._settings: dict[str, Any] = configured["settings"]
        self.metric: str = self._settings["metric"]
        self.space = make_space(self._selected, arguments.search, self._settings)
        for name, values in self.space.columns.items():
            for value in values:
                # Rejects an invalid value before any trial.
                self.experiment.jobs(self.variant({name: value}))
        fixed = {name: v for name, v in self._settings.items() if name not in self.space.texts}
        same = SameResults(read_evidence())
        # Trials can be compared if they have these in common.
        comparable = {name: configured[name] for name in ("model", "dataset", "data_digest")} | {
            "code": same.of(self._selected.spec, configured["versions"]["code"]),
            "fixed": fixed,
            "search": self.space.columns,
            "trial_seeds": arguments.trial_seeds,
        }
        parts = [arguments.dataset, self._selected.name]
        if configured["profile"] not in (None, self._selected.default_profile):
            parts.append(configured["profile"])
        self.name = "-".join(parts)
        self._study_name = f"{self.name}-{digest_of(comparable)[:12]}"
        versions = configured["versions"] | {"optuna": importlib.metadata.version("optuna")}
        self.record: dict[str, Any] = comparable | {
            "profile": configured["profile"],
            "metric": self.metric,
            "study": self._study_name,
            "sampler_seed": arguments.sampler_seed,
            "versions": versions | machine_and_date(),
        }

    @property
    def title(self) -> str:
        """The model, the data and the size of the search as text."""
        profile = f", {self.record['profile']}" if self.record["profile"] else ""
        return (
            f"{self._selected.name}{profile} on {self.record['dataset']}: trials by their "
            f"val metric, of {self.space.size} combinations"
        )

    def variant(self, options: dict[str, Any]) -> Variant:
        """Returns the model with the values of searched options."""
        profile = {} if self._profile is None else {"profile": self._profile}
        return Variant(self._selected.name, self._selected.spec, options=options, **profile)

    def search(self) -> list[Trial]:
        """Runs the missing trials and returns all trials.

        Raises:
            ValueError: If another process runs them.
        """
        folder, wanted = self.experiment.out / "studies", self._arguments.trials
        console = self.experiment.console
        with only_one(folder / f"{self.name}.lock"):
            study = Study(
                folder / f"{self.name}.db",
                self._study_name,
                self.space,
                self._arguments.sampler_seed,
            )
            training = Training(
                self._selected,
                self._settings,
                without_test(self.experiment.data),
                self.experiment.out / "trials",
                self._study_name,
                self._arguments.trial_seeds,
            )
            trials = study.trials()
            if trials:
                console.print(f"{len(trials)} trials finished before, not run again")
            # An interruption may have left the folder of a finished trial.
            for finished in trials:
                training.forget(finished.options)

            def train(options: dict[str, Any], on_epoch: OnEpoch) -> float:
                text = f"[{len(trials) + 1}/{wanted}] {options_text(options)}"
                console.print(text, markup=False, soft_wrap=True)
                return training.run(options, on_epoch)

            while len(trials) < wanted:
                trial = study.step(train)
                if trial is None:
                    console.print(f"all {self.space.size} combinations were tried")
                    break
                training.forget(trial.options)
                trials.append(trial)
                text = outcome_text(trial, best(trials), self.metric)
                console.print(f"[{len(trials)}/{wanted}] {text}", markup=False, soft_wrap=True)
        return trials


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
