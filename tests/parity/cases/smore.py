from parity_case import DIMENSION, TRAINED_FEATURES, Case, embeddings, linear
from soil_pyg.models import SMORE

NAMES = {"image": ("image", "v"), "text": ("text", "t"), "fusion": ("fusion", "f")}
MAPS = {f"gates.{ours}": f"gate_{short}.0" for ours, (_, short) in NAMES.items()}
MAPS |= {f"preferences.{ours}": f"gate_{name}_prefer.0" for ours, (name, _) in NAMES.items()}
for modality in ("image", "text"):
    MAPS[f"projections.{modality}"] = f"{modality}_trs"
    MAPS[f"hidden.{modality}"] = f"query_{modality[0].replace('i', 'v')}.0"

CASE = Case(
    SMORE,
    {
        **DIMENSION,
        "num_layers": "n_ui_layers",
        "num_item_layers": "n_layers",
        "dropout": "dropout_rate",
        "cl_weight": "cl_loss",
    },
    embeddings()
    | TRAINED_FEATURES
    | linear(MAPS)
    | {"query.image.weight": "query_v.2.weight", "query.text.weight": "query_t.2.weight"}
    | {f"filters.{name}.weight": f"{name}_complex_weight[0]" for name in NAMES},
    {"k": "text_knn_k", "first_k": "image_knn_k"},
    fixed_graphs={"negative": "keep"},
)
