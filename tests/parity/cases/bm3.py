from parity_case import DIMENSION, TRAINED_FEATURES, Case, embeddings, linear
from soil_pyg.models import BM3

CASE = Case(
    BM3,
    {**DIMENSION, "num_layers": "n_layers", "dropout": "dropout", "cl_weight": "cl_weight"},
    embeddings()
    | TRAINED_FEATURES
    | linear({"project.image": "image_trs", "project.text": "text_trs"})
    | linear({"predictor": "predictor"}),
)
