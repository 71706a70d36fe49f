import pytest

from soil_pyg import models
from soil_pyg.models.resolver import own_model
from soil_pyg.workflow.option_texts import option_texts
from soil_pyg.workflow.options import ModelOptions

NAMES = sorted(name.lower() for name in models.__all__ if own_model(name.lower()))


class Documented:
    r"""Does something.

    Args:
        size (int, optional): The size :math:`d` of :class:`~a.b.Thing`, as in :obj:`0.5`
            (Eq. 3). (default: :obj:`2`)
        rate (float): The rate :math:`\gamma \cdot 2`.

    Raises:
        ValueError: If it fails.
    """


def test_descriptions_are_plain_text_without_the_default() -> None:
    texts = option_texts([Documented])
    assert texts == {
        "size": "The size d of Thing, as in 0.5 (Eq. 3).",
        "rate": "The rate gamma * 2.",
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_every_model_is_described(name: str) -> None:
    selected = ModelOptions(name)
    texts = selected.texts()
    assert set(selected.options) <= set(texts)
    for option in selected.options:
        assert texts[option].endswith(".")
        assert "`" not in texts[option]
        assert "\\" not in texts[option]
        assert not texts[option].startswith("See ")
