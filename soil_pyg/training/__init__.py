"""Training: the trainer and the loaders of its batches."""

from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.triplet_loader import TripletLoader

__all__ = ["PartitionLoader", "TrainResult", "Trainer", "TripletLoader"]
