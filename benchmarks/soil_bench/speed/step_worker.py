"""The training steps of a model, for a process of its own."""

from functools import partial
from statistics import median

import torch
from torch.optim import Adam
from torch_geometric import seed_everything

from soil_bench.runs.results import Record
from soil_bench.runs.run_job import load_data
from soil_bench.speed.operations import count_operations
from soil_bench.speed.roofline import ADAM_BYTES, measure_rates
from soil_bench.speed.step_profile import profile_of
from soil_bench.speed.timing import time_alternately
from soil_bench.speed.workloads import WARM_UP, repeated, step
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.utils.progress import blocks
from soil_pyg.workflow.options import ModelOptions, build_model
from soil_pyg.workflow.settings_on import settings_on

NUMBERS, ROUNDS, SECONDS = 2**18, 15, 1.0


def train_steps(name: str, profile: str | None, dataset: str, root: str, steps: int) -> Record:
    """Times training steps of a model, counts their operations and profiles them.

    Args:
        name (str): The name of the model.
        profile (str, optional): The profile of its settings.
        dataset (str): The name of the data set.
        root (str): The folder that holds it.
        steps (int): The number of steps.
    """
    selected = ModelOptions(name)
    data = load_data(dataset, root)
    settings = settings_on(data, selected, dataset, profile, {})
    data = selected.model_class.graph_transform(**selected.values_for("graphs", settings))(data)
    seed_everything(0)
    model = build_model(selected, settings, data).train()
    model.on_epoch_start(data)
    optimizer = Adam(model.parameters(), lr=settings["lr"], fused=True)
    batches = repeated(TripletLoader(data, settings["batch_size"]))
    train = partial(step, partial(model.loss, data), optimizer)
    seconds = []
    for _, batch in zip(blocks(WARM_UP + steps, 1, "training steps"), batches, strict=False):
        seconds.append(train(batch))
    amounts = count_operations(lambda: train(next(batches)))
    trained = sum(p.numel() for p in model.parameters() if p.grad is not None)
    amounts["adam_bytes"] = ADAM_BYTES * trained
    rates = _rates()
    parts = {part: amount / rates[part] for part, amount in amounts.items()}
    return {
        "seconds": median(seconds[WARM_UP:]),
        "batch_size": settings["batch_size"],
        "amounts": amounts,
        "parts": parts,
        "roofline": sum(parts.values()),
        "profile": profile_of(lambda: train(next(batches)), max(2, steps // 4), "cpu"),
    }


def _rates() -> dict[str, float]:
    rates = measure_rates("cpu")
    numbers = torch.empty(NUMBERS)
    drawn = time_alternately({"draw": numbers.uniform_}, ROUNDS, SECONDS)["draw"]
    return rates | {
        "random": NUMBERS / median(drawn),
        "edge_bytes": rates["gather_bytes"],
        "adam_bytes": rates["copy_bytes"],
    }
