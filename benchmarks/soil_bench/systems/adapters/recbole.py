"""BPR and LightGCN of RecBole."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from soil_bench.systems.problem import Array, Problem
from soil_bench.systems.turns import Turns

DISTRIBUTIONS = ["recbole", "torch", "numpy"]
MODELS = {"bpr": "BPR", "lightgcn": "LightGCN"}
USERS_PER_BLOCK = 2048


def run(problem: Problem, turns: Turns) -> tuple[Array, Array]:
    """Trains a model and returns the embeddings of users and items."""
    with TemporaryDirectory() as folder:
        _write_files(problem, Path(folder))
        return _train(problem, turns, folder)


def _write_files(problem: Problem, folder: Path) -> None:
    (folder / "pairs").mkdir()
    # The third split, which must not be empty, is not used.
    for name, pairs in [("train", problem.train), ("valid", problem.val), ("test", problem.val)]:
        lines = [f"{user}\t{item}\n" for user, item in pairs.T.tolist()]
        text = "".join(["user_id:token\titem_id:token\n", *lines])
        (folder / "pairs" / f"pairs.{name}.inter").write_text(text, encoding="utf-8")


def _train(problem: Problem, turns: Turns, folder: str) -> tuple[Array, Array]:
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset
    from recbole.data.utils import create_samplers, get_dataloader
    from recbole.utils import get_model, get_trainer, init_seed

    settings = problem.settings
    torch.set_num_threads(settings.threads)
    config = Config(MODELS[settings.model], "pairs", config_dict=_options(problem, folder))
    init_seed(settings.seed, reproducibility=True)
    dataset = create_dataset(config)
    splits = dataset.build()
    train_data, val_data = (
        get_dataloader(config, split)(config, part, sampler, shuffle=split == "train")
        for split, part, sampler in zip(
            ("train", "valid"), splits, create_samplers(config, dataset, splits), strict=False
        )
    )
    model = get_model(config["model"])(config, splits[0])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    for _ in turns.epochs():
        trainer.fit(train_data, verbose=False, saved=False)
    model.eval()
    turns.evaluate(
        lambda: trainer.evaluate(val_data, load_best_model=False)["recall@20"],
    )
    with torch.no_grad():
        tables = (
            (model.user_embedding.weight, model.item_embedding.weight)
            if settings.model == "bpr"
            else model()
        )
    fields = dataset.uid_field, dataset.iid_field
    sizes = settings.num_users, settings.num_items
    user_emb, item_emb = (
        _in_order(dataset.field2id_token[field], table, size)
        for field, table, size in zip(fields, tables, sizes, strict=True)
    )
    return user_emb, item_emb


def _options(problem: Problem, folder: str) -> dict[str, Any]:
    settings = problem.settings
    return {
        "data_path": folder,
        "checkpoint_dir": folder,
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "embedding_size": settings.hidden_channels,
        "n_layers": settings.num_layers,
        "reg_weight": settings.reg,
        "learning_rate": settings.lr,
        "train_batch_size": settings.batch_size,
        "eval_batch_size": USERS_PER_BLOCK * settings.num_items,
        "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
        "eval_args": {
            "split": {"RS": [8, 1, 1]},
            "order": "RO",
            "group_by": "user",
            "mode": "full",
        },
        "metrics": ["Recall"],
        "topk": [20],
        "valid_metric": "Recall@20",
        # A call of its trainer is one epoch, which goes on with the model it has.
        "epochs": 1,
        "seed": settings.seed,
        "use_gpu": False,
        "show_progress": False,
        "state": "ERROR",
    }


def _in_order(tokens: Any, table: Any, size: int) -> Array:
    import numpy as np

    full = np.zeros((size, table.shape[1]), np.float32)
    # The first row is its padding.
    full[tokens[1:].astype(int)] = table[1:].detach().numpy()
    return full
