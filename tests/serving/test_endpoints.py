"""The answers of the server equal those of the verbs to the last digit."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soil_pyg import add_users, explain, load, recommend, similar

TITLES = {f"v{n}": f"té {n}" for n in range(22)}


def rows(frame: pd.DataFrame, key: str = "item") -> list[dict[str, Any]]:
    """Returns the rows of a ranking as the server writes them."""
    found = []
    for row in frame.to_dict("records"):
        item = row["item" if "item" in row and key == "item" else "similar"]
        found.append(
            {"rank": row["rank"], "item": item, "title": TITLES.get(item), "score": row["score"]}
        )
    return found


def get(client: Any, address: str, **parameters: Any) -> Any:
    answer = client.get(address, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


@pytest.mark.parametrize("exclude_seen", ["all", "train", "none"])
def test_recommend(client: Any, shop: Path, exclude_seen: str) -> None:
    users = ["u7", "u0", "u29", "u7"]
    found = get(client, "/recommend", user=users, k=6, exclude_seen=exclude_seen)
    frame = recommend(shop / "run", users[:3], k=6, exclude_seen=exclude_seen)
    expected = [{"user": u, "items": rows(frame[frame["user"] == u])} for u in users]
    assert found == {"recommendations": expected}


CHOICES = [
    {"deny": ["v3", "v0", "v3"]},
    {"allow": ["v9", "v1", "v22", "v4"]},
    {"allow": ["v9", "v1", "v4"], "deny": ["v1", "v2"]},
]


@pytest.mark.parametrize("choice", CHOICES)
def test_recommend_among_some_items(client: Any, shop: Path, choice: dict[str, list[str]]) -> None:
    users = ["u7", "u0"]
    found = get(client, "/recommend", user=users, k=6, **choice)["recommendations"]
    frame = recommend(shop / "run", users, k=6, **choice)
    assert [row["items"] for row in found] == [rows(frame[frame["user"] == u]) for u in users]
    assert "v3" not in str(found)


def test_a_choice_of_nothing(client: Any) -> None:
    (found,) = get(client, "/recommend", user="u1", allow="v9", deny="v9")["recommendations"]
    assert found["items"] == []


def test_a_long_list_ends_with_the_candidates(client: Any, shop: Path) -> None:
    found = get(client, "/recommend", user="u1", k=50)["recommendations"][0]["items"]
    assert found == rows(recommend(shop / "run", ["u1"], k=50))
    assert 0 < len(found) < 23


@pytest.mark.parametrize("ids", [["v3"], ["v3", "v22", "v0"]])
def test_similar_items(client: Any, shop: Path, ids: list[str]) -> None:
    found = get(client, "/similar", item=ids, k=4)
    frame = similar(shop / "run", items=ids, k=4)
    assert found == {
        "similar": [
            {"item": i, "title": TITLES.get(i), "items": rows(frame[frame["item"] == i], "similar")}
            for i in ids
        ]
    }


def test_similar_users(client: Any, shop: Path) -> None:
    (found,) = get(client, "/similar", user="u3", k=4)["similar"]
    frame = similar(shop / "run", users=["u3"], k=4)
    expected = frame.drop(columns="user").rename(columns={"similar": "user"})
    assert found == {"user": "u3", "users": expected.to_dict("records")}


@pytest.mark.parametrize("by", ["item", "modality", "part"])
def test_explain(client: Any, shop: Path, by: str) -> None:
    found = get(client, "/explain", user="u3", item="v5", by=by)
    expected = explain(shop / "run", "u3", "v5")
    assert (found["user"], found["item"], found["title"]) == ("u3", "v5", "té 5")
    assert (found["score"], found["total"]) == (expected.score, expected.total)
    frames = {
        "item": expected.by_item(),
        "modality": expected.by_modality(),
        "part": expected.parts,
    }
    titles = [part.pop("via_title", None) for part in found["parts"]]
    assert found["parts"] == frames[by].to_dict("records")
    if by != "modality":
        assert titles == [TITLES.get(part["via"]) for part in found["parts"]]


@pytest.mark.parametrize("exclude_seen", ["all", "none"])
@pytest.mark.parametrize("choice", [{}, *CHOICES])
def test_new_user(client: Any, shop: Path, exclude_seen: str, choice: dict[str, list[str]]) -> None:
    items = ["v5", "v1", "v5", "v9"]
    body = {"items": items, "k": 5, "exclude_seen": exclude_seen, **choice}
    answer = client.post("/users", json=body)
    bought = pd.DataFrame({"user": "zoe", "item": items})
    expected = recommend(add_users(shop / "run", None, bought), ["zoe"], 5, exclude_seen, **choice)
    assert answer.json() == {"user": None, "items": rows(expected)}
    # Nothing is stored.
    assert client.post("/users", json=body).json() == answer.json()


def test_items(client: Any) -> None:
    found = get(client, "/items", item=["v3", "v22"])
    assert found == {
        "items": [{"item": "v3", "title": "té 3"}, {"item": "v22", "title": None}],
        "total": 23,
    }
    page = get(client, "/items", start=21, limit=20)["items"]
    assert page == get(client, "/items", item=[row["item"] for row in page])["items"]
    assert len(page) == 2


def test_health(client: Any, shop: Path) -> None:
    found = get(client, "/health")
    assert (found["status"], found["model"], found["users"], found["items"]) == (
        "ok",
        "LightGCN",
        30,
        23,
    )
    assert load(shop / "run").run["files"]["embeddings.safetensors"].startswith(found["run"])
    assert client.head("/health").status_code == 200


def test_the_openapi_page_needs_no_other_server(client: Any) -> None:
    page = client.get("/docs").text
    assert "//cdn" not in page
    for address in ("/openapi.json", "/static-offline-docs/swagger-ui-bundle.js"):
        assert address in page
        assert client.get(address).status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/recommend",
        "/similar",
        "/explain",
        "/items",
        "/users",
        "/health",
        "/metrics",
    }


def test_metrics(client: Any) -> None:
    client.get("/recommend", params={"user": "u1"})
    client.get("/recommend", params={"user": "nobody"})
    client.get("/nowhere")
    text = client.get("/metrics").text
    assert 'soil_pyg_requests_total{address="/recommend",status="200"} 1.0' in text
    assert 'soil_pyg_requests_total{address="/recommend",status="404"} 1.0' in text
    assert 'soil_pyg_requests_total{address="other",status="404"} 1.0' in text
    assert 'soil_pyg_request_seconds_count{address="/recommend"} 2.0' in text
