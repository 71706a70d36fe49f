from parity_case import ITEM_GRAPH, Case, encoders, user_graph
from soil_pyg.models import COHESION

CASE = Case(
    COHESION,
    {
        "hidden_channels": "dim_latent",
        "num_layers": "num_layer",
        "num_item_layers": "n_mm_layers",
        "dropout": "dropout",
        "reg": "reg_weight",
    },
    encoders({"id_encoder": "id_gcn", "encoders.image": "v_gcn", "encoders.text": "t_gcn"})
    | {"user_weight.weight": "weight_u", "item_embedding.weight": "id_feat"},
    ITEM_GRAPH | {"user_k": "user_k"},
    fixed={"id_gradient": "none"},
    feed=user_graph,
)
