"""The published implementations' scores, losses, gradients and ten Adam steps, for every model."""

from collections.abc import Callable

import pytest
import torch

from golden_model import (
    Golden,
    assert_close,
    batch_of,
    make,
    published_value,
    scores_of,
    start_epoch,
)
from parity_cases import CASES
from soil_pyg.configs import available_configs
from soil_pyg.models.resolver import import_model

WITHOUT_GOLDEN_VALUES = {"itemknn", "mmgf", "ngcf", "popularity", "sgl", "simgcl", "xsimgcl"}
CASE_NAMES = pytest.mark.parametrize("name", sorted(CASES))


def test_every_trained_model_has_golden_values() -> None:
    trained = {import_model(name) for name in set(available_configs()) - WITHOUT_GOLDEN_VALUES}
    assert trained == {case.model for case in CASES.values()}


@CASE_NAMES
def test_scores(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    ours = scores_of(name, *make(name, golden))
    assert_close(ours, values["scores"], CASES[name].tolerance)


@CASE_NAMES
def test_loss_and_gradients(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    model, data = make(name, golden)
    start_epoch(name, model, data)
    loss = sum(model.loss(data, batch_of(values, 0)).values())
    loss.backward()
    assert_close(loss.detach(), values["loss"], CASES[name].tolerance)
    grads = {ours: published_value(values, "grad", p) for ours, p in CASES[name].parameters.items()}
    largest = max(grad.abs().max() for grad in grads.values() if grad is not None)
    for key, parameter in model.named_parameters():
        if grads[key] is None:
            # The published implementation never trains it.
            assert parameter.grad is None or not parameter.grad.any(), key
            continue
        error = (parameter.grad - grads[key]).abs().max()
        assert error <= 1e-4 * largest, key


@CASE_NAMES
def test_ten_adam_steps(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    model, data = make(name, golden)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    trace = []
    model.train()
    start_epoch(name, model, data)
    for step in range(len(values["batches"])):
        loss = sum(model.loss(data, batch_of(values, step)).values())
        trace.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tolerance = CASES[name].tolerance
    assert_close(torch.tensor(trace), values["loss_trace"], tolerance)
    assert_close(scores_of(name, model, data), values["scores_after_10_steps"], tolerance)
