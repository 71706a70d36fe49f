"""Trains a table of users in processes whose memory is limited.

python train_limited.py FOLDER DEVICES SHARD LIMIT
"""

import resource
import sys
from pathlib import Path

import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS

NUM_USERS, NUM_ITEMS, CHANNELS = 300_000, 40, 64
TABLE_BYTES = NUM_USERS * CHANNELS * 4


def make_data() -> HeteroData:
    """Returns interactions of a few of many users."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    user = torch.arange(0, NUM_USERS, 300).repeat_interleave(5)
    rank = torch.arange(5).repeat(len(user) // 5)
    item = (user // 300 * 3 + rank * 7) % NUM_ITEMS
    pairs = torch.stack([user, item])
    data[INTERACTS].edge_index = pairs[:, rank < 3]
    data[INTERACTS].val_edge_label_index = pairs[:, rank == 3]
    data[INTERACTS].test_edge_label_index = pairs[:, rank == 4]
    return data


def limit_memory(num_bytes: int) -> None:
    """Limits the memory that this process may take beside what it has now, as 'ulimit -d' does."""
    status = Path("/proc/self/status").read_text()
    taken = int(status.partition("VmData:")[2].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (taken + num_bytes, resource.RLIM_INFINITY))


def train(folder: Path, devices: int, shard: bool) -> None:
    place = {"accelerator": "cpu", "devices": devices, "shard_tables": shard}
    plain = {"num_partitions": 4, "batches_per_step": 2, "epochs": 1, "progress": False}
    trainer = Trainer(**place, **plain)
    torch.manual_seed(0)
    with torch.device("meta" if shard else "cpu"):
        model = BPR(NUM_USERS, NUM_ITEMS, hidden_channels=CHANNELS)
    trainer.fit(model, make_data(), folder)


if __name__ == "__main__":
    torch.set_num_threads(1)
    limit_memory(int(sys.argv[4]))
    train(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True")
