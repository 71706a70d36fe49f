import pytest
import torch

from soil_pyg.configs import available_configs
from soil_pyg.models.resolver import import_model
from soil_pyg.testing.small_data import MODALITIES, small_data


@pytest.mark.parametrize("name", available_configs())
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_model_runs_in_other_precisions(name: str, dtype: torch.dtype) -> None:
    model_class = import_model(name)
    torch.manual_seed(0)
    model = model_class(9, 7, MODALITIES)
    data = model_class.graph_transform()(small_data())
    expected = [x.to_dense().clone() for x in model.eval()(data)]
    out = [x.to_dense() for x in model.to(dtype)(data)]
    tolerance = 0.2 if dtype == torch.bfloat16 else 1e-4
    for one, other in zip(out, expected, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=tolerance, atol=tolerance)
