from parity_case import DIMENSION, Case, linear
from soil_pyg.models import GRCN

CASE = Case(
    GRCN,
    {**DIMENSION, "latent_channels": "latent_embedding", "num_routings": "n_layers"},
    {
        "user_embedding.weight": "id_gcn.id_embedding[users]",
        "item_embedding.weight": "id_gcn.id_embedding[items]",
        "preference.image.weight": "v_gcn.preference",
        "preference.text.weight": "t_gcn.preference",
        "user_confidence.weight": "model_specific_conf[users]",
        "item_confidence.weight": "model_specific_conf[items]",
    }
    | linear({"projections.image": "v_gcn.MLP", "projections.text": "t_gcn.MLP"}),
    fixed={"routing": "none", "extra_regulariser": True},
)
