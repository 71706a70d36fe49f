from parity_case import DIMENSION, Case, linear
from soil_pyg.models import MMGCN


def layers(modality: str, prefix: str) -> dict[str, str]:
    names = {}
    for layer in (0, 1, 2):
        ours = f"layers.{modality}.{layer}"
        names[f"{ours}.neighbour.weight"] = f"{prefix}.conv_embed_{layer + 1}.weight.T"
        names |= linear(
            {
                f"{ours}.own": f"{prefix}.linear_layer{layer + 1}",
                f"{ours}.merge": f"{prefix}.g_layer{layer + 1}",
            }
        )
    return names


CASE = Case(
    MMGCN,
    {**DIMENSION, "latent_channels": "dim_latent", "concat": "concat"},
    {
        "user_embedding.weight": "id_embedding[users]",
        "item_embedding.weight": "id_embedding[items]",
        "preference.image.weight": "v_gcn.preference",
        "preference.text.weight": "t_gcn.preference",
    }
    | linear({"compress": "v_gcn.MLP"})
    | layers("image", "v_gcn")
    | layers("text", "t_gcn"),
    fixed={"preferences": "frozen"},
)
