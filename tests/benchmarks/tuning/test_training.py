import re
from pathlib import Path
from typing import Any

import pytest
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_bench.runs.run_job import load_data
from soil_bench.tuning.training import KEPT, Graphs, Outcome, Training, main, without_test
from soil_pyg.models.soil_graphs import SOILGraphs
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS
from soil_pyg.workflow.options import ModelOptions, build_model

FAST = {"hidden_channels": 4, "batch_size": 64, "epochs": 4, "patience": 4, "progress": False}


@pytest.fixture
def data(root: Path) -> HeteroData:
    return load_data("tiny", str(root))


def settings_of(name: str) -> dict[str, Any]:
    return ModelOptions(name).settings("tiny", "released", FAST) | {"device": "cpu"}


def make(
    data: HeteroData, tmp_path: Path, model: str = "bpr", num_seeds: int = 1, name: str = "name"
) -> Training:
    folder = tmp_path / "trials"
    data = without_test(data)
    return Training(ModelOptions(model), settings_of(model), data, folder, name, num_seeds)


def test_data_without_the_test_split(data: HeteroData) -> None:
    without = without_test(data)
    assert "test_edge_label_index" not in without[INTERACTS]
    assert without[INTERACTS].val_edge_label_index is data[INTERACTS].val_edge_label_index
    assert "test_edge_label_index" in data[INTERACTS]


@pytest.mark.parametrize("model", ["bpr", "soil", "itemknn"])
def test_test_split_is_never_looked_at(
    data: HeteroData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    splits = set()
    evaluate = Evaluator.evaluate

    def listen(self: Evaluator, model: Any, data: HeteroData, split: str) -> dict[str, float]:
        splits.add(split)
        assert "test_edge_label_index" not in data[INTERACTS]
        return evaluate(self, model, data, split)

    monkeypatch.setattr(Evaluator, "evaluate", listen)
    make(data, tmp_path, model).run({"k": 3} if model != "bpr" else {"reg": 0.5})
    assert splits == {"val"}


def test_value_is_the_mean_over_seeds_of_the_best_val_metric(
    data: HeteroData, tmp_path: Path
) -> None:
    found = make(data, tmp_path, num_seeds=2).run({"reg": 0.5, "lr": 0.05})
    settings = settings_of("bpr") | {"reg": 0.5, "lr": 0.05}
    results = []
    for seed in range(2):
        names = ("lr", "lr_decay", "batch_size", "epochs", "patience")
        options = {name: settings[name] for name in names}
        seed_everything(seed)
        model = build_model(ModelOptions("bpr"), settings, data)
        trainer = Trainer(**options, seed=seed, accelerator="cpu", progress=False)
        results.append(trainer.fit(model, data, test=False))
    expected = [result.val["recall@20"] for result in results]
    # The epochs are those of the first seed.
    assert found == Outcome(sum(expected) / 2, len(results[0].history))


def test_interrupted_training_goes_on(
    data: HeteroData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the first seed nor an epoch of the second one is trained again."""
    whole = make(data, tmp_path / "whole", num_seeds=2).run({"reg": 0.5})
    fit, epochs = Trainer.fit, []

    def stop(self: Trainer, *args: Any, **options: Any) -> Any:
        def count(result: Any) -> None:
            epochs.append((self.seed, result.epochs))
            if len(epochs) == 6:
                raise KeyboardInterrupt

        return fit(self, *args, on_epoch=count, **options)

    monkeypatch.setattr(Trainer, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        make(data, tmp_path, num_seeds=2).run({"reg": 0.5})
    assert make(data, tmp_path, num_seeds=2).run({"reg": 0.5}) == whole
    assert epochs == [(seed, epoch) for seed in range(2) for epoch in range(1, 5)]


def test_a_trial_in_another_process(data: HeteroData, root: Path, tmp_path: Path) -> None:
    training, options = make(data, tmp_path), {"reg": 0.5}
    assert main(training.line(options, "tiny", str(root))) == 0
    assert training.outcome(options) == make(data, tmp_path / "whole").run(options)


def test_each_trial_has_a_folder_until_it_is_forgotten(data: HeteroData, tmp_path: Path) -> None:
    training, other = make(data, tmp_path), make(data, tmp_path, name="other")
    folder = training.folder({"reg": 0.5})
    assert folder.parent == tmp_path / "trials"
    assert len({folder, training.folder({"reg": 0.1}), other.folder({"reg": 0.5})}) == 3
    training.run({"reg": 0.5})
    assert (folder / "seed0" / "run.json").exists()
    training.forget({"reg": 0.5})
    training.forget({"reg": 0.5})
    assert list(folder.parent.iterdir()) == []


def test_settings_that_cannot_be_right_fail(data: HeteroData, tmp_path: Path) -> None:
    for options in ({"lr": -1.0}, {"hidden_channels": 0}, {"k": 0}):
        found = make(data, tmp_path, "soil").run(options)
        assert (found.value, found.epochs) == (None, 0)
        assert f"'{next(iter(options))}' must be" in found.error


def test_training_that_diverges_fails(data: HeteroData, tmp_path: Path) -> None:
    found = make(data, tmp_path).run({"reg": 1e38, "lr": 1e30})
    assert found.value is None
    assert re.search(r"loss term .* in epoch 1", found.error)


def test_last_graphs_are_kept(data: HeteroData, monkeypatch: pytest.MonkeyPatch) -> None:
    selected, settings = ModelOptions("soil"), settings_of("soil")
    made = []
    forward = SOILGraphs.forward

    def listen(self: SOILGraphs, data: HeteroData) -> HeteroData:
        made.append(self.similarity_graph.k)
        return forward(self, data)

    monkeypatch.setattr(SOILGraphs, "forward", listen)
    kept = Graphs(selected, data)
    first = kept.get(settings | {"k": 2})
    assert len(first.edge_types) > len(data.edge_types)
    assert kept.get(settings | {"k": 2, "lr": 0.1, "l_ii": 1.0}) is first
    for k in range(3, 3 + KEPT - 1):
        kept.get(settings | {"k": k})
    assert kept.get(settings | {"k": 2}) is first
    assert made == list(range(2, 2 + KEPT))
    # The one that was not asked for the longest time goes.
    kept.get(settings | {"k": 9})
    assert kept.get(settings | {"k": 2}) is first
    kept.get(settings | {"k": 3})
    assert made == [*range(2, 2 + KEPT), 9, 3]
