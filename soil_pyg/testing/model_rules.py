"""The rules of a model that concern its embeddings."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.models.newcomers import nearest_known
from soil_pyg.testing.contract import require, require_refusal
from soil_pyg.testing.model_case import BATCH, ModelCase, scores_of
from soil_pyg.testing.small_data import small_data
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, features_of


def forward_returns_two_tables(case: ModelCase) -> None:
    """The method forward returns the embeddings of all users and of all items: finite, of one
    dimension, in single precision, and not the same for all.
    """
    data, model = case.make()
    found = model(data)
    require(isinstance(found, tuple) and len(found) == 2, f"{type(found).__name__}.")
    for emb, name in zip(found, ("users", "items"), strict=True):
        require(isinstance(emb, Tensor), f"a {type(emb).__name__} for the {name}.")
        require(emb.dtype == torch.float32, f"{emb.dtype} for the {name}.")
        num_nodes = model.num_users if name == "users" else model.num_items
        fits = emb.dim() == 2 and emb.size(0) == num_nodes
        require(fits, f"the shape {list(emb.size())} for {num_nodes} {name}.")
    widths = [emb.size(1) for emb in found]
    require(widths[0] == widths[1], f"{widths[0]} and {widths[1]} dimensions.")
    scores = scores_of(model, data)
    require(bool(scores.isfinite().all()), "scores that are NaN or infinite.")
    require(torch.unique(scores).numel() > 1, "the same score for all pairs.")


def forward_draws_no_random_numbers(case: ModelCase) -> None:
    """The method forward returns the same in training and evaluation mode and when called again."""
    data, model = case.make()
    state = torch.get_rng_state()
    scores = scores_of(model, data)
    require(torch.get_rng_state().equal(state), "it draws from torch's generator.")
    require(scores_of(model, data).equal(scores), "the second call differs.")
    require(scores_of(model.eval(), data).equal(scores), "evaluation mode differs.")


def forward_follows_the_precision(case: ModelCase) -> None:
    """A model moved to double precision gives the same scores, in double precision."""
    data, model = case.make()
    scores = scores_of(model, data)
    double = scores_of(model.double(), case.make_data(is_double=True))
    torch.testing.assert_close(double.float(), scores, rtol=1e-4, atol=1e-6)
    if list(model.parameters()):
        require(double.dtype == torch.float64, f"{double.dtype}.")


def held_out_interactions_are_not_read(case: ModelCase) -> None:
    """Validation and test interactions change no score and no term of the loss."""
    data, model = case.make()
    lacking = small_data(case.in_channels)
    del lacking[INTERACTS].val_edge_label_index, lacking[INTERACTS].test_edge_label_index
    again = case.make_transform()(lacking)
    require(scores_of(model, again).equal(scores_of(model, data)), "scores differ without them.")

    def terms_of(given: HeteroData) -> dict[str, Tensor]:
        model = case.make_model()
        torch.manual_seed(1)
        model.on_epoch_start(given)
        return model.loss(given, BATCH)

    without = terms_of(again)
    for name, term in terms_of(data).items():
        require(term.equal(without[name]), f"the term {name!r} of the loss differs without them.")


def numbers_of_nodes_are_inferred(case: ModelCase) -> None:
    """Data whose items have features but no 'num_nodes' gives the same scores."""
    data, model = case.make()
    lacking = small_data(case.in_channels)
    if features_of(lacking):
        del lacking[ITEM].num_nodes
    again = case.make_transform()(lacking)
    require(scores_of(model, again).equal(scores_of(model, data)), "scores differ.")


def missing_graphs_and_features_are_refused(case: ModelCase) -> None:
    """Either forward or loss raises a ValueError that names what the data lacks: a graph of
    graph_transform, or a modality, unless its features are read by graph_transform alone.
    """
    data, model = case.make()

    def use(lacking: HeteroData) -> None:
        model(lacking)
        model.loss(lacking, BATCH)

    for edge_type, store in list(data.edge_items()):
        if "adjacency" in store:
            lacking = copy.copy(data)
            if edge_type == INTERACTS:
                del lacking[edge_type].adjacency
            else:
                del lacking[edge_type]
            require_refusal(partial(use, lacking), f"no graph {edge_type}", edge_type[1])
    if case.model_class.multimodal:
        modality = list(case.in_channels)[-1]
        scores = scores_of(model, data)
        del data[ITEM][FEATURE_PREFIX + modality]
        try:
            use(data)
        except ValueError as error:
            require(modality in str(error), f"the error without {modality!r} reads: {error}")
        else:
            is_unread = scores_of(model, data).equal(scores)
            require(is_unread, f"other scores without the modality {modality!r}.")


def newcomers_get_embeddings_or_a_reason(case: ModelCase) -> None:
    """embed_new_items and the function of new_user_embedder return one finite row per newcomer, the
    latter the same row again, or the hook raises a ValueError that names it. The data may lack the
    graphs.
    """
    data, model = case.make()
    with torch.no_grad():
        item_emb = model.eval()(data)[1]
    features = {modality: x[:2] for modality, x in features_of(data).items()}
    is_hook = type(model).embed_new_users is not Recommender.embed_new_users
    require(not is_hook, "define new_user_embedder; embed_new_users calls it.")
    nearest = nearest_known(data, features, k=3)
    embed_items = partial(model.embed_new_items, features=features, neighbours=nearest)

    def embed_users(*known: Any) -> Tensor:
        new = torch.tensor([[0, 0, 1], [2, 5, 3]]), 2
        embed = model.new_user_embedder(*known)
        first, second = embed(*new), embed(*new)
        require(second.equal(first), "new_user_embedder: the second call differs.")
        return first

    hooks: dict[str, Callable[..., Tensor]] = {
        "embed_new_items": embed_items,
        "new_user_embedder": embed_users,
    }
    for hook, embed in hooks.items():
        try:
            emb = embed(data, case.make_transform, item_emb)
        except ValueError as error:
            require(hook in str(error), f"the error of {hook} reads {str(error)!r}.")
            continue
        expected = (2, item_emb.size(1))
        require(emb.size() == expected, f"{hook} returns {list(emb.size())}, not {expected}.")
        require(bool(emb.isfinite().all()), f"{hook} returns NaN or infinity.")
        without = embed(small_data(case.in_channels), case.make_transform, item_emb)
        torch.testing.assert_close(without, emb)


def decompose_gives_the_score(case: ModelCase) -> None:
    """The summands of decompose, if the model defines it, add up to the score, whether or not the
    data has the graphs.
    """
    data, model = case.make()
    model.eval()
    if type(model).decompose is Recommender.decompose:
        return
    scores = scores_of(model, data)
    for given in (data, small_data(case.in_channels)):
        found = model.decompose(given, case.make_transform)
        for user, item in ((0, 1), (8, 6)):
            user_parts = torch.cat([part.vector for part in found.of_user(user)])
            item_parts = torch.stack(list(found.of_item(item).values()))
            score = (user_parts @ item_parts.t()).sum().float()
            torch.testing.assert_close(score, scores[user, item])
