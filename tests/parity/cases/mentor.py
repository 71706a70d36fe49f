from parity_case import ITEM_GRAPH, Case, encoders, linear
from soil_pyg.models import MENTOR

CASE = Case(
    MENTOR,
    {
        "hidden_channels": "dim_latent",
        "num_item_layers": "n_mm_layers",
        "reg": "reg_weight",
        "dropout": "dropout",
        "noise": "noise",
        "tau": "temp",
        "align_weight": "align_weight",
        "mask_weight_f": "mask_weight_f",
        "mask_weight_g": "mask_weight_g",
    },
    encoders({"id_encoder": "id_gcn", "encoders.image": "v_gcn", "encoders.text": "t_gcn"})
    | encoders({f"noisy_encoders.{n}.image": f"v_gcn_n{n + 1}" for n in range(2)})
    | encoders({f"noisy_encoders.{n}.text": f"t_gcn_n{n + 1}" for n in range(2)})
    | linear({"predictor": "mlp"})
    | {"user_weight.weight": "weight_u", "item_embedding.weight": "id_feat"},
    ITEM_GRAPH,
    fixed={"mask_gradient": "none"},
)
