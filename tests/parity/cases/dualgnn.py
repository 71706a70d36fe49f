from parity_case import Case, encoders, user_graph
from soil_pyg.models import DualGNN

CASE = Case(
    DualGNN,
    {"hidden_channels": "dim_latent", "reg": "reg_weight"},
    encoders({"encoders.image": "v_gcn", "encoders.text": "t_gcn"})
    | {"user_weight.weight": "weight_u", "item_weight.weight": "weight_i"},
    {"user_k": "user_k"},
    fixed={"user_sum": "shifted"},
    feed=user_graph,
)
