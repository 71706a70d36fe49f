"""Checks of the contracts: does a model, a transform or a data set of your own fit in?"""

from soil_pyg.testing.check_dataset import DATASET_RULES, check_dataset
from soil_pyg.testing.check_model import MODEL_RULES, check_model
from soil_pyg.testing.check_transform import TRANSFORM_RULES, check_transform
from soil_pyg.testing.contract import ContractError
from soil_pyg.testing.small_data import small_data

__all__ = [
    "DATASET_RULES",
    "MODEL_RULES",
    "TRANSFORM_RULES",
    "ContractError",
    "check_dataset",
    "check_model",
    "check_transform",
    "small_data",
]
