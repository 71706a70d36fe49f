import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import soil_pyg
from soil_pyg import cli
from soil_pyg.cli.names import Names

SHORT = ["--epochs", "1", "--hidden-channels", "4", "--device", "cpu", "--quiet"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop with its own names of columns, and a run on its data."""
    monkeypatch.chdir(tmp_path)
    things = [f"sku {i}" for i in range(6)]
    rows = [(f"c{u}", things[(u + i) % 6], 10 * u + i) for u in range(8) for i in range(4)]
    frame = pd.DataFrame(rows, columns=["customer", "sku", "day"])
    frame.to_csv("sales.csv", index=False)
    titles = [f"Title {i}" for i in range(5)]
    pd.DataFrame({"sku": things[:5], "name": titles}).to_csv("goods.csv", index=False)
    columns = ["--user-column", "customer", "--item-column", "sku", "--items", "goods.csv"]
    argv = ["prepare", "sales.csv", "--out", "DATA", *columns, "--title-column", "name"]
    assert cli.main([*argv, "--quiet"]) == 0
    assert cli.main(["train", "DATA", "--model", "bpr", "--out", "RUN", *SHORT]) == 0
    return tmp_path


def table(capfd: pytest.CaptureFixture[str], *argv: str) -> pd.DataFrame:
    capfd.readouterr()
    assert cli.main([*argv, "--format", "csv", "--quiet"]) == 0
    return pd.read_csv(io.StringIO(capfd.readouterr().out), keep_default_na=False)


def test_tables_in_blocks_have_the_titles_they_know(shop: Path) -> None:
    """The last thing has no title, and each block has one row."""
    argv = ["recommend", "RUN", "--users", "all", "--k", "1", "--memory-budget", "1", "--quiet"]
    for out in ("top.parquet", "parts/"):
        assert (
            cli.main([*argv, "--exclude-seen", "none", "--allow", "sku 5,sku 0", "--out", out]) == 0
        )
        files = sorted(Path(out).glob("*.parquet")) if Path(out).is_dir() else [Path(out)]
        frame = pd.concat([pd.read_parquet(file) for file in files])
        assert set(frame["title"].dropna()) <= {"Title 0"}
        assert set(frame.loc[frame["title"].isna(), "sku"]) <= {"sku 5"}
    assert len({str(pq.read_schema(part)) for part in Path("parts").glob("*.parquet")}) == 1
    argv = ["similar", "RUN", "--items", "all", "--k", "1", "--memory-budget", "1", "--quiet"]
    assert cli.main([*argv, "--out", "near.parquet"]) == 0


def test_tables_have_the_names_of_the_shop(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    title = {f"sku {i}": f"Title {i}" for i in range(5)} | {"sku 5": ""}
    frame = table(capfd, "recommend", "RUN", "--users", "all", "--exclude-seen", "none")
    assert list(frame) == ["customer", "rank", "sku", "title", "score"]
    assert frame["title"].tolist() == [title[sku] for sku in frame["sku"]]
    frame = table(capfd, "similar", "RUN", "--items", "all", "--k", "2")
    assert list(frame) == ["sku", "title", "rank", "similar", "similar_title", "score"]
    assert frame["similar_title"].tolist() == [title[sku] for sku in frame["similar"]]
    frame = table(capfd, "similar", "RUN", "--users", "c1", "--k", "2")
    assert list(frame) == ["customer", "rank", "similar", "score"]
    frame = table(capfd, "evaluate", "RUN", "--per-user", "--split", "test")
    assert list(frame)[:2] == ["split", "customer"]


def test_new_users_have_the_columns_of_the_shop(
    shop: Path, capfd: pytest.CaptureFixture[str], refused: Callable[..., str]
) -> None:
    new = pd.DataFrame({"customer": ["zoe", "zoe"], "sku": ["sku 1", "sku 2"]})
    new.to_csv("new.csv", index=False)
    frame = table(capfd, "recommend", "RUN", "--users", "zoe", "--new-users", "new.csv")
    assert set(frame["customer"]) == {"zoe"}
    assert not set(frame["sku"]) & {"sku 1", "sku 2"}
    assert soil_pyg.add_users("RUN", None, new).user_id[-1] == "zoe"
    new.rename(columns={"sku": "item"}).to_csv("new.csv", index=False)
    assert "'sku'" in refused("recommend", "RUN", "--users", "zoe", "--new-users", "new.csv")


def test_files_of_ids_have_the_columns_of_the_shop(
    shop: Path, capfd: pytest.CaptureFixture[str], refused: Callable[..., str]
) -> None:
    pd.DataFrame({"day": [1, 2], "customer": ["c1", "c3"]}).to_csv("some.csv", index=False)
    pd.DataFrame({"sku": ["sku 1", "sku 2"]}).to_parquet("few.parquet")
    every = "--exclude-seen", "none", "--k", "2"
    frame = table(capfd, "recommend", "RUN", "--users-file", "some.csv", *every)
    assert frame["customer"].tolist() == ["c1", "c1", "c3", "c3"]
    allowed = "--allow-file", "few.parquet"
    frame = table(capfd, "recommend", "RUN", "--users", "c1", *allowed, *every)
    assert set(frame["sku"]) == {"sku 1", "sku 2"}
    frame = table(capfd, "recommend", "RUN", "--users", "c1", "--deny-file", *allowed[1:], *every)
    assert not set(frame["sku"]) & {"sku 1", "sku 2"}
    frame = table(capfd, "similar", "RUN", "--items-file", "few.parquet", "--k", "1")
    assert frame["sku"].tolist() == ["sku 1", "sku 2"]
    pd.DataFrame({"user": ["c1"]}).to_csv("some.csv", index=False)
    assert "'customer'" in refused("recommend", "RUN", "--users-file", "some.csv")


def test_messages_name_the_flag_that_was_typed(shop: Path, refused: Callable[..., str]) -> None:
    message = refused("prepare", "sales.csv", "--out", "NEW", "--user-column", "customer")
    assert "'--item-column'" in message
    assert "item_column" not in message


def test_names_that_a_table_has_already(shop: Path) -> None:
    names = Names("DATA")
    names.__dict__["columns"] = {"user": "rank", "item": "thing"}
    frame = pd.DataFrame({"user": ["c1"], "rank": [1], "item": ["sku 0"]})
    assert list(names.present(frame)) == ["user", "rank", "thing", "title"]
    frame = pd.DataFrame({"user": ["c1"], "item": ["new"]})
    assert list(Names(None).present(frame)) == list(Names("nowhere").present(frame))
