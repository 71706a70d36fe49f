import re
import shutil
import subprocess

import pytest

from soil_pyg import cli


def complete(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Completes the last word in a real shell."""
    script = _script(capsys)
    quoted = " ".join(f"'{word}'" for word in words)
    call = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _soil_pyg"
    text = f'{script}\n{call}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    found = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True)
    return found.stdout.split()


def _script(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.main(["--print-completion", "bash"]) == 0
    return capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_flags_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(capsys, "soil-pyg", "re") == ["recommend", "report"]
    seen = complete(capsys, "soil-pyg", "recommend", "RUN", "--exclude-seen", "")
    assert seen == ["all", "train", "none"]
    model = ("soil-pyg", "train", "DATA", "--model")
    assert complete(capsys, *model, "lig") == ["lightgcn"]
    assert complete(capsys, *model, "lightgcn", "--num-l") == ["--num-layers"]
    assert complete(capsys, *model, "bpr", "--num-l") == []
    assert complete(capsys, *model, "bpr", "--fin") == ["--final"]


def test_zsh_uses_the_completion_of_bash(capsys: pytest.CaptureFixture[str]) -> None:
    script = _script(capsys)
    assert cli.main(["--print-completion=zsh"]) == 0
    assert capsys.readouterr().out == f"autoload -U +X bashcompinit && bashcompinit\n{script}"


def test_other_shells_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--print-completion", "fish"]) == 2
    assert "'fish'" in capsys.readouterr().err


def test_no_flag_is_offered_twice(capsys: pytest.CaptureFixture[str]) -> None:
    lists = re.findall(r"words='([^']*)'", _script(capsys))
    assert any("--print-config" in words for words in lists)
    for words in map(str.split, lists):
        assert len(set(words)) == len(words)
        assert "--print_config" not in words
