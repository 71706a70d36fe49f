from collections.abc import Mapping

import torch
from torch_geometric.data import HeteroData

from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER
from soil_pyg.utils.checks import check_integer, check_sizes

MODALITIES = {"image": 5, "text": 3}


def small_data(
    in_channels: Mapping[str, int] | None = None,
    num_users: int = 9,
    num_items: int = 7,
    seed: int = 0,
) -> HeteroData:
    """Makes random data of a few users and items on which contracts are checked.

    Each user has a training interaction. The last item has none, but is held out for two users in
    validation and for two in test. Item 3 has features of zero, which stand for missing ones.

    Args:
        in_channels (dict[str, int], optional): The dimension of the features by modality.
            (default: :obj:`None`, :obj:`{"image": 5, "text": 3}`)
        num_users (int, optional): The number of users, at least 4. (default: :obj:`9`)
        num_items (int, optional): The number of items, at least 5. (default: :obj:`7`)
        seed (int, optional): The seed. (default: :obj:`0`)

    Example:
        >>> small_data({"audio": 4})["item"].x_audio.size()
        torch.Size([7, 4])
    """
    in_channels = MODALITIES if in_channels is None else in_channels
    check_sizes("in_channels", in_channels)
    check_integer("num_users", num_users, 4)
    check_integer("num_items", num_items, 5)
    generator = torch.Generator().manual_seed(seed)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = num_users, num_items
    for modality, size in in_channels.items():
        x = torch.randn(num_items, size, generator=generator)
        x[3] = 0
        data[ITEM][FEATURE_PREFIX + modality] = x
    last = num_items - 1
    interactions = torch.rand(num_users, num_items, generator=generator) < 0.3
    interactions[torch.arange(num_users), torch.arange(num_users) % last] = True
    interactions[:, last] = False
    store = data[INTERACTS]
    store.edge_index = interactions.nonzero().t().contiguous()
    store.val_edge_label_index = torch.tensor([[0, 1], [last, last]])
    store.test_edge_label_index = torch.tensor([[2, 3], [last, last]])
    return data
