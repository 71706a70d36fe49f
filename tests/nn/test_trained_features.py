import torch

from api_cases import wrong_arguments
from soil_pyg.nn import TrainedFeatures


def test_starts_as_the_features() -> None:
    x = torch.rand(5, 3)
    module = TrainedFeatures(5, 3)
    assert module(x).equal(x)
    assert str(module) == "TrainedFeatures(5, 3)"


def test_adam_steps_are_those_of_a_table_that_starts_as_the_features() -> None:
    x = torch.rand(5, 3, dtype=torch.float64)
    target = torch.rand(5, 3, dtype=torch.float64)
    module, table = TrainedFeatures(5, 3).double(), torch.nn.Parameter(x.clone())
    adams = [torch.optim.Adam(module.parameters(), lr=0.1), torch.optim.Adam([table], lr=0.1)]
    for _ in range(20):
        for adam, out in zip(adams, (module(x), table), strict=True):
            adam.zero_grad()
            (out.sigmoid() - target).square().sum().backward()
            adam.step()
    assert not table.equal(x)
    torch.testing.assert_close(module(x), table)
    module.reset_parameters()
    assert module(x).equal(x)


test_wrong_arguments = wrong_arguments("TrainedFeatures")
