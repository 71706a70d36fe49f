import pytest
from jsonargparse import ArgumentParser

from soil_pyg.cli.flags import flags_of, given_flags, name_flags, refuse_empty, spell

FLAGS = ("min_rating", "rating_column", "users", "items", "data", "k", "root", "keep_items")


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("run")
    parser.add_argument("--num-layers", type=int)
    parser.add_argument("--l_ui", type=float)
    parser.add_argument("--new-items", nargs="+", action="append")
    parser.add_argument("--users")
    parser.add_argument("--name")
    return parser


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("'k' must be at least 1 (got 0)", "'--k' must be at least 1 (got 0)"),
        ("model 'bpr': 'k' must be 1", "model 'bpr': '--k' must be 1"),
        ("'min_rating' requires 'rating_column'", "'--min-rating' requires '--rating-column'"),
        ("'rating_column' and 'min_rating' must", "'--rating-column' and '--min-rating' must"),
        ("Either 'users' or 'items' must", "Either '--users' or '--items' must"),
        ("x: pass it as 'data' (--data)", "x: pass it as '--data'"),
        ("'users' (a.txt): no user 'k' (known", "'--users' (a.txt): no user 'k' (known"),
        ("'users': no user 'k', 'data'", "'--users': no user 'k', 'data'"),
        ("'data' has no prepare.json", "'data' has no prepare.json"),
        ("'root' is not a file: move it", "'root' is not a file: move it"),
        ("users['k']: a value", "'--users k': a value"),
        ("the user 'k' came later", "the user 'k' came later"),
    ],
)
def test_arguments_are_named_by_their_flags_and_values_are_not(message: str, named: str) -> None:
    flags = {name: f"--{name.replace('_', '-')}" for name in FLAGS}
    assert name_flags(message, flags) == named


def test_both_spellings_are_one_flag(parser: ArgumentParser) -> None:
    words = ["RUN", "--num_layers", "1", "--l-ui=2", "--new_items", "a", "--new-items", "b"]
    spelled = ["RUN", "--num-layers", "1", "--l_ui=2", "--new-items", "a", "--new-items", "b"]
    assert spell(parser, words) == spelled
    assert spell(parser, ["--no_such", "--", "--num_layers"]) == ["--no_such", "--", "--num_layers"]
    with pytest.raises(ValueError, match="'--num-layers' must be given once"):
        spell(parser, ["--num_layers", "1", "--num-layers=1"])


def test_only_ids_may_be_empty(parser: ArgumentParser) -> None:
    refuse_empty(parser, parser.parse_args(["RUN", "--users", ""]))
    for words in (["RUN", "--name", ""], [""], ["RUN", "--name="]):
        with pytest.raises(ValueError, match=r"'(--name|RUN)' must not be empty"):
            refuse_empty(parser, parser.parse_args(words))


def test_arguments_of_functions_have_the_flags_of_the_command(parser: ArgumentParser) -> None:
    flags = flags_of(parser)
    assert (flags["l_ui"], flags["run"], flags["trained"]) == ("--l_ui", "RUN", "RUN")
    assert (flags["features"], flags["ids"]) == ("--new-items", "--new-items")
    assert given_flags(["--models=bpr", "--bpr.lr", "1"]) == {
        "model": "--models",
        "models": "--models",
        "lr": "--bpr.lr",
    }
