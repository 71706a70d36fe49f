"""The stages of the pipeline from a table to recommendations, each for a process of its own."""

from itertools import islice
from pathlib import Path

from lightning_fabric import Fabric

import soil_pyg
from soil_bench.runs.results import Record
from soil_bench.speed.inputs import load_graphs, save_graphs
from soil_bench.speed.measurement import Meter
from soil_bench.speed.pipeline_input import write_input
from soil_bench.speed.workloads import OPTIONS, make_fast
from soil_pyg.models import SOIL
from soil_pyg.ranking.evaluator import compute_embeddings
from soil_pyg.runs.training_run import TrainingRun
from soil_pyg.training.epoch import train_epoch
from soil_pyg.training.partition_loader import PartitionLoader, Step
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.row_adam import RowAdam
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.utils.files import atomic_folder

K = 10
BATCH_SIZE = 2048
SEED = 0


def draw(path: str, users: int, items: int, pairs: int, channels: dict[str, int]) -> Record:
    """Draws the input of all other stages."""
    with Meter() as meter, atomic_folder(path) as folder:
        write_input(folder, users, items, pairs, channels)
    return meter.record()


def prepare(path: str, inputs: str, channels: dict[str, int]) -> Record:
    """Writes the data folder."""
    features = {modality: Path(inputs, f"{modality}.npy") for modality in channels}
    source, items = Path(inputs, "pairs.parquet"), Path(inputs, "items.npy")
    with Meter() as meter:
        prepared = soil_pyg.prepare(source, path, features, item_ids=items, overwrite=True)
    return meter.record() | {"size": prepared["counts"]}


def graphs(path: str, data: str) -> Record:
    """Builds the graphs and stores them for the next stages."""
    with Meter() as meter:
        prepared = SOIL.graph_transform("released", **OPTIONS)(soil_pyg.load_data_folder(data))
        save_graphs(prepared, path)
    return meter.record()


def train(
    path: str, graphs: str, data: str, steps: int, num_partitions: int, is_last: bool
) -> Record:
    """Starts or resumes a run, takes steps, and stores a checkpoint or, at last, the model."""
    with Meter() as meter:
        prepared = load_graphs(graphs)
        model = make_fast(prepared, "cpu")
        settings = {"data": str(Path(data).resolve())}
        options = {"ks": [K], "metric": f"recall@{K}", "seed": SEED}
        run = TrainingRun(model, prepared, path, settings, options, 0, overwrite=not is_last)
        optimizer = RowAdam(model.parameters())
        run.restore(model, optimizer)
        epoch = run.result.epochs
        loader = PartitionLoader(prepared, BATCH_SIZE, SEED, num_partitions)
        loader.set_epoch(epoch)
        loss, batches = TrainingLoss(model, partitioned=True), islice(loader, steps)
        ranks = Ranks(Fabric(accelerator="cpu", devices=1))
        terms = train_epoch(ranks, loss, optimizer, batches, [Step(1, 1)] * steps, epoch + 1)
        run.result.epochs += 1
        run.result.history.append({"epoch": epoch + 1, "loss": terms, "val": {}})
        run.keep_best(model, {})
        run.end_epoch(model, optimizer)
        if is_last:
            del optimizer, loss, loader, batches
            run.store_model(compute_embeddings(model, prepared), prepared, finished=True)
    return meter.record() | {"resumed_after": epoch * steps, "loss": terms}


def recommend(path: str, run: str, data: str, users: int) -> Record:
    """Writes recommendations for some users."""
    with Meter() as meter:
        trained, lines = soil_pyg.load(run), 0
        some = trained.user_id[:users]
        with open(path, "w") as file:
            for frame in soil_pyg.recommend_blocks(trained, some, K, data=data):
                frame.to_csv(file, header=lines == 0, index=False)
                lines += len(frame)
    return meter.record() | {"lines": lines}
