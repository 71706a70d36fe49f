import subprocess
import sys

import pytest

from soil_pyg.testing import ContractError
from soil_pyg.testing.contract import by_name, require, require_refusal, run_rules


def small(number: int) -> None:
    """A number is less than
    ten.

    Details are not shown.
    """
    require(number < 10, f"{number}.")


def even(number: int) -> None:
    """A number is even."""
    if number % 2:
        raise RuntimeError("odd")


CONTRACT = by_name(small, even)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (12, "x breaks the rule 'small': A number is less than ten. Found: 12."),
        (3, "x breaks the rule 'even': A number is even. Found: RuntimeError: odd"),
    ],
)
def test_the_message_names_rule_and_finding(number: int, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        run_rules("x", number, CONTRACT)
    assert str(caught.value) == message
    assert isinstance(caught.value, AssertionError)


def test_rules_are_chosen_and_left_out() -> None:
    run_rules("x", 4, CONTRACT)
    run_rules("x", 3, CONTRACT, ["small"])
    run_rules("x", 3, CONTRACT, skip=["even"])


def test_a_refusal_must_name_the_argument() -> None:
    def refuse() -> None:
        raise ValueError("'k' is wrong")

    require_refusal(refuse, "k=0", "k")
    with pytest.raises(AssertionError, match=r"for k=0 lacks \['other'\]"):
        require_refusal(refuse, "k=0", "k", "other")
    with pytest.raises(AssertionError, match="k=0 is accepted"):
        require_refusal(lambda: None, "k=0", "k")


def test_the_package_needs_no_pytest() -> None:
    code = "import sys, soil_pyg.testing; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
