from parity_case import ITEM_GRAPH, Case, encoders, user_graph
from soil_pyg.models import DRAGON

CASE = Case(
    DRAGON,
    {"hidden_channels": "dim_latent", "num_item_layers": "n_mm_layers", "reg": "reg_weight"},
    encoders({"encoders.image": "v_gcn", "encoders.text": "t_gcn"})
    | {"user_weight.weight": "weight_u"},
    ITEM_GRAPH | {"user_k": "user_k"},
    feed=user_graph,
)
