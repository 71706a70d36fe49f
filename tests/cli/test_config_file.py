from pathlib import Path

import pytest

from soil_pyg.cli.config_file import read_config


def test_values_stand_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("epochs: 1_000\nlr: 1.0e-3\nks: &ks [5, 10]\nothers: *ks\nname: '010'\nk: -3\n")
    assert read_config(str(path)) == {
        **{"epochs": 1000, "lr": 0.001, "ks": [5, 10], "others": [5, 10]},
        **{"name": "010", "k": -3},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 1\nepochs: 2\n", r"'epochs' occurs twice.*line 2"),
        ("a: {b: 1, b: 2}\n", "'b' occurs twice"),
        ("epochs: 010\n", "010 must be a decimal number"),
        ("epochs: 0x10\n", "0x10 must be"),
        ("epochs: 1:30\n", "1:30 must be"),
        ("a: &a [*a]\n", "Circular"),
        ("a: b: c\n", "mapping values"),
        ("a: !!python/name:os.system\n", "constructor"),
    ],
)
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s)'--config' .*run\.yaml.*{message}"):
        read_config(str(path))


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = [f"v{i}: &v{i} [{', '.join([f'*v{i - 1}'] * 9)}]" for i in range(1, 20)]
    path = tmp_path / "run.yaml"
    path.write_text("\n".join(["v0: &v0 [1]", *lines]))
    with pytest.raises(ValueError, match=r"run\.yaml': it must hold fewer than 10000 values"):
        read_config(str(path))


def test_lists_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("[1]\n")
    with pytest.raises(ValueError, match=r"'--config' must hold names and values .*run\.yaml"):
        read_config(str(tmp_path / "run.yaml"))
