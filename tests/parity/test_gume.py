import json
from collections.abc import Callable

import pytest

from golden_model import Golden, assert_close, batch_of, make, published_graph
from soil_pyg.models.graphs import similar
from soil_pyg.models.gume_graphs import LINKED, LINKS


def test_graphs(golden: Callable[[str], Golden]) -> None:
    values = golden("gume")
    _, data = make("gume", golden)
    num_users = data["user"].num_nodes
    published = published_graph(values, "norm_adj")
    interactions, links = data[LINKED].adjacency, data[LINKS].adjacency
    assert_close(interactions.to_dense(), published[num_users:, :num_users])
    assert_close(interactions.t().to_dense(), published[:num_users, num_users:])
    assert_close(interactions.t().to_dense(), published_graph(values, "R"))
    assert_close(links.to_dense(), published[num_users:, num_users:])
    assert_close((links.to_dense() != 0).float(), published_graph(values, "ii_adj"))
    for modality in ("image", "text"):
        published = published_graph(values, f"{modality}_original_adj")
        assert_close(data[similar(modality)].adjacency.to_dense(), published)


def test_loss_terms(golden: Callable[[str], Golden]) -> None:
    values = golden("gume")
    weights = json.loads(str(values["hyperparameters"]))
    model, data = make("gume", golden)
    terms = model.loss(data, batch_of(values, 0))
    for ours, theirs, weight in [
        *[("bpr", "bpr", 1), ("reg", "reg_1", weights["reg_weight_1"])],
        *[("extended_reg", "reg_2", weights["reg_weight_2"]), ("align", "vt", weights["vt_loss"])],
        ("contrast", "bm", weights["bm_loss"]),
        ("user_contrast", "um", weights["um_loss"]),
    ]:
        published = weight * float(values[f"loss/{theirs}"])
        assert terms[ours].item() == pytest.approx(published, abs=1e-5), ours
