"""The measured constants of an estimate, each for a process of its own."""

import time

import numpy as np
import torch

from soil_bench.runs.results import Record
from soil_bench.speed.epochs import first_parts, train_parts
from soil_bench.speed.inputs import load_graphs
from soil_pyg.ranking.tables import Ranking
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.typing import INTERACTS, ITEM, USER

BATCH_SIZE = 2048
PARTS = 3
"""The number of partitions that are trained."""
RANKED = 2_000
"""The number of users that are ranked."""
K = 10


def train(graphs: str, num_partitions: int) -> Record:
    """Measures an epoch in partitions, and counts the edges of graphs and the items of a batch."""
    parts = min(PARTS, num_partitions)
    record = train_parts(graphs, num_partitions, parts, BATCH_SIZE, "cpu")
    data = load_graphs(graphs)
    edges = {ITEM: 0, USER: 0}
    for edge_type, store in data.edge_items():
        if edge_type != INTERACTS:
            held = store.adjacency.col if "adjacency" in store else store.edge_index[0]
            edges[edge_type[0]] += held.numel()
    loader = PartitionLoader(data, BATCH_SIZE, num_partitions=num_partitions)
    items = [part[ITEM].num_nodes for _, part, _ in first_parts(loader, parts)]
    return record | {
        "item_edges": edges[ITEM],
        "user_edges": edges[USER],
        "items_per_batch": float(np.mean(items)),
        "batches": len(loader),
    }


def rank(items: int, channels: int) -> Record:
    """Measures how fast users are ranked exactly."""
    generator = torch.Generator().manual_seed(0)
    ranking = Ranking(
        query_emb=torch.randn(RANKED, channels, generator=generator),
        item_emb=torch.randn(items, channels, generator=generator),
        queries=torch.arange(RANKED),
        mask_index=torch.empty(2, 0, dtype=torch.long),
        query_id=np.arange(RANKED),
        item_id=np.arange(items),
    )
    start = time.perf_counter()
    for _ in ranking.frames(K):
        pass
    return {"seconds_per_score": (time.perf_counter() - start) / (RANKED * items)}
