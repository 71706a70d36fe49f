"""The published implementations' scores, losses, gradients and ten Adam steps, for every model."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from golden_model import Golden, assert_close, batch_of, make, scores_of
from parity_cases import CASES
from soil_pyg.configs import available_configs

WITHOUT_GOLDEN_VALUES = {"itemknn", "popularity"}
MODELS = pytest.mark.parametrize("name", sorted(set(available_configs()) - WITHOUT_GOLDEN_VALUES))


def test_every_trained_model_has_golden_values(golden: Callable[[str], Golden]) -> None:
    for name in set(available_configs()) - WITHOUT_GOLDEN_VALUES:
        assert {"loss", "scores", "loss_trace"} <= set(golden(name)), name
        assert CASES[name].parameters, name


@MODELS
def test_scores(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    assert_close(scores_of(name, *make(name, golden)), values["scores"])


@MODELS
def test_loss_and_gradients(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    model, data = make(name, golden)
    model.on_epoch_start(data)
    loss = sum(model.loss(data, batch_of(values, 0)).values())
    loss.backward()
    assert_close(loss.detach(), values["loss"])
    published = {ours: values[f"grad/{p}"] for ours, p in CASES[name].parameters.items()}
    largest = max(np.abs(grad).max() for grad in published.values())
    for key, parameter in model.named_parameters():
        error = np.abs(parameter.grad.numpy() - published[key]).max()
        assert error <= 1e-4 * largest, key


@MODELS
def test_ten_adam_steps(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    model, data = make(name, golden)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    trace = []
    model.train()
    model.on_epoch_start(data)
    for step in range(len(values["batches"])):
        loss = sum(model.loss(data, batch_of(values, step)).values())
        trace.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert_close(torch.tensor(trace), values["loss_trace"])
    assert_close(scores_of(name, model, data), values["scores_after_10_steps"])
