import torch
from torch_geometric.data import HeteroData

from soil_pyg.typing import (
    EDGE_INDICES,
    FEATURE_PREFIX,
    HELD_OUT_SPLITS,
    INTERACTS,
    ITEM,
    SECOND_ORDER,
    SPLITS,
    USER,
    Triplets,
    features_of,
    modalities_of,
)


def test_names() -> None:
    assert (USER, ITEM, FEATURE_PREFIX) == ("user", "item", "x_")
    assert INTERACTS == ("user", "interacts", "item")
    assert SECOND_ORDER == ("user", "second_order", "item")


def test_modalities_are_the_stems_of_features_in_order() -> None:
    data = HeteroData()
    data["item"].num_nodes = 2
    assert modalities_of(data) == []
    for name in ("text", "x", "x_text", "x_image", "max_x", "x_x_rays"):
        data["item"][name] = torch.ones(2, 1)
    data["shop"].x_location = torch.ones(3, 2)
    assert modalities_of(data) == ["text", "image", "x_rays"]
    assert features_of(data)["image"] is data["item"].x_image
    assert modalities_of(data, "shop") == ["location"]


def test_splits_have_labels_and_edges() -> None:
    assert SPLITS == ("train", "val", "test")
    assert SPLITS[1:] == HELD_OUT_SPLITS
    assert EDGE_INDICES == ("edge_index", "val_edge_label_index", "test_edge_label_index")


def test_triplets() -> None:
    user, positive, negative = Triplets(torch.tensor([1]), torch.tensor([2]), torch.tensor([3]))
    assert (user.item(), positive.item(), negative.item()) == (1, 2, 3)
    assert Triplets._fields == ("user", "positive", "negative")
