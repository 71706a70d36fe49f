"""Searches the settings of models by their val metric; the best of each are run and tested.

Every model gets the same number of trials, drawn by Optuna and trained to their end; the number of
workers does not change them. Finished trials and runs are not repeated, and interrupted ones go on
where they stopped. No trial sees the test split.
"""

import importlib.metadata
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from soil_bench.runs.arguments import (
    ALL,
    add_run_arguments,
    make_console,
    make_parser,
    names_or_all,
    require,
)
from soil_bench.runs.equivalence import SameResults, read_evidence
from soil_bench.runs.experiment import RECORDS_FOLDER, Experiment, FailedRunsError, Variant
from soil_bench.runs.results import machine_and_date, print_table
from soil_bench.runs.tables import print_report
from soil_bench.tuning.report import record_of, report_of, summary
from soil_bench.tuning.search import Search, only_one
from soil_bench.tuning.space import make_space
from soil_bench.tuning.study import Study, Trial, best
from soil_bench.tuning.training import Training, without_test
from soil_pyg.utils.files import digest_of, write_json
from soil_pyg.utils.records import parse_json
from soil_pyg.workflow.options import ModelOptions


def main(argv: list[str]) -> int:
    """Runs the missing trials and the winners, and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    experiment = Experiment(arguments, console)
    names = names_or_all(arguments.models, "search")
    # Made before any trial, so that invalid options are refused at once.
    tunings = [Tuning(arguments, experiment, name) for name in names]
    for name in names:
        same = [other for other in names if ModelOptions(other).name == ModelOptions(name).name]
        if len(same) > 1:
            raise ValueError(f"'--models' must have distinct names of classes (got {same})")
    given = set(arguments.search)
    unknown = given.difference(*(tuning.space.columns for tuning in tunings))
    if unknown:
        raise ValueError(f"'--search.{min(unknown)}' is an option of none of the models")
    failures = []
    for tuning in tunings:
        try:
            tuning.run()
        except FailedRunsError as error:
            failures.append(f"{tuning.name}: {error}")
            console.print(failures[-1], markup=False, soft_wrap=True)
    if failures:
        raise FailedRunsError("; ".join(failures))
    return 0


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("tune", __doc__)
    parser.add_argument(
        "--models",
        default="soil",
        help=f"names, or package.module:Class, separated by commas; '{ALL}' names all that have "
        "settings to search (default: soil)",
    )
    parser.add_argument(
        "--profile",
        type=str | None,
        help="profile of the models that have some (default: released)",
    )
    parser.add_argument(
        "--search",
        type=dict[str, Any],
        default={},
        help="values to try for an option, as --search.OPTION v1,v2, in place of those in the "
        "configuration of each model that has the option; a single value is fixed",
    )
    parser.add_argument(
        "--trials",
        type=PositiveInt,
        default=15,
        help="number of trials per model, including finished ones",
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
        experiment (Experiment): The data and the runs.
        model (str): The model.

    Raises:
        ValueError: If a setting or the data is invalid, or if there is nothing to search.
        OSError: If a file is missing.
    """

    def __init__(self, arguments: Namespace, experiment: Experiment, model: str) -> None:
        self.experiment = experiment
        self._arguments = arguments
        self._selected = ModelOptions(model)
        has_profiles = bool(self._selected.model_class.profiles)
        if arguments.profile is not None and not has_profiles and arguments.models == model:
            raise ValueError(
                f"'--profile' must not be given for model '{model}', which has no "
                f"profiles (got '{arguments.profile}')"
            )
        given = arguments.profile if has_profiles else None
        self._profile: str | None = given or self._selected.default_profile
        configured = self.experiment.jobs(self.variant({}))[0].record
        self._settings: dict[str, Any] = configured["settings"]
        self.metric: str = self._settings["metric"]
        single = arguments.models == model
        given_values = {
            name: values
            for name, values in arguments.search.items()
            if single or name in self._selected.options
        }
        self.space = make_space(self._selected, given_values, self._settings)
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
        self._record = experiment.out / RECORDS_FOLDER / f"tuned-{self.name}.json"
        if self._record.exists():
            other = parse_json(self._record.read_bytes()).get("model")
            if other != self._selected.spec:
                raise ValueError(
                    f"'--out' must be a folder without a search of '{other}', which has the name "
                    f"of '{model}' (got '{experiment.out}')"
                )
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

    def run(self) -> None:
        """Runs the missing trials and those of the winner's runs that are missing; writes the
        record.

        Raises:
            ValueError: If another process runs them.
            FailedRunsError: If all trials or a run of the winner failed.
        """
        trials = self.search()
        winner = best(trials)
        if winner is None:
            raise FailedRunsError(f"all {len(trials)} trials failed, the last: {trials[-1].error}")
        experiment, console = self.experiment, self.experiment.console
        print_report(report_of(trials, winner, self.metric, self.title), console)
        variant = self.variant(winner.options)
        runs = experiment.run([variant])[0]
        print_table(runs, console)
        found = record_of(trials, winner) | {
            "seeds": experiment.num_seeds,
            "runs": [job.key for job in experiment.jobs(variant)],
            "val": summary(runs, "val"),
            "test": summary(runs, "test"),
        }
        write_json(self._record, self.record | found)

    def search(self) -> list[Trial]:
        """Runs the missing trials and returns all trials.

        Raises:
            ValueError: If another process runs them.
            FailedRunsError: If the process of a trial is killed.
        """
        folder = self.experiment.out / "studies"
        with only_one(folder / f"{self.name}.lock"):
            training = Training(
                self._selected,
                self._settings,
                without_test(self.experiment.data),
                self.experiment.out / "trials",
                self._study_name,
                self._arguments.trial_seeds,
            )
            study = Study(
                folder / f"{self.name}.journal",
                self._study_name,
                self.space,
                self._arguments.sampler_seed,
            )
            self.record["sampler_seed"] = study.seed
            return Search(self.experiment, training, study, self.metric).run(self._arguments.trials)
