import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ADDRESSES = ("/recommend", "/similar", "/explain", "/items", "/users", "/health", "/nowhere", "/")


@pytest.mark.parametrize(
    ("address", "status", "names"),
    [
        ("/recommend", 400, "'user' must be given"),
        ("/recommend?user=nobody", 404, "'nobody'"),
        ("/recommend?user=u1&user=nobody", 404, "'nobody'"),
        ("/recommend?user=U1", 404, "'U1'"),
        ("/recommend?user=", 404, "''"),
        ("/recommend?user=u1%00", 404, "'u1"),
        ("/recommend?user=u1&k=0", 400, "'k' must be at least 1 (got 0)"),
        ("/recommend?user=u1&k=51", 400, "'k' must be at most 50 (got 51)"),
        ("/recommend?user=u1&k=many", 400, "'k' must be an integer (got 'many')"),
        ("/recommend?user=u1&k=1.5", 400, "'k' must be an integer (got '1.5')"),
        ("/recommend?user=u1&k=" + "9" * 5000, 400, "'k' must be an integer"),
        ("/recommend?user=u1&k=2&k=3", 400, "'k' must be given once"),
        ("/recommend?user=u1&%6b=2&k=2", 400, "'k' must be given once"),
        ("/similar?item=v1&by=a&by=", 400, "'by' must be given once"),
        ("/explain?user=u1&item=v1&user=u2", 400, "'user' must be given once"),
        ("/recommend?user=u1&exclude_seen=no", 400, "'exclude_seen' must be one of"),
        ("/recommend?usr=u1", 400, "'usr'"),
        (
            "/recommend?" + "&".join(["user=u1"] * 21),
            400,
            "'user' must name at most 20 ids (got 21)",
        ),
        ("/recommend?user=u1&allow=nothing", 404, "'allow': the run has no item 'nothing'"),
        ("/recommend?user=u1&deny=v1&deny=nothing", 404, "'deny': the run has no item 'nothing'"),
        (
            "/recommend?user=u1&" + "&".join(["deny=v1"] * 21),
            400,
            "'deny' must name at most 20 ids (got 21)",
        ),
        ("/similar?item=v1&by=smell", 400, "'by' must name modalities of the data"),
        ("/similar?user=u1&by=text", 400, "'by' must not be given with 'user'"),
        ("/similar", 400, "either 'item' or 'user'"),
        ("/similar?item=v1&user=u1", 400, "either 'item' or 'user'"),
        ("/similar?item=nothing", 404, "'nothing'"),
        ("/explain?user=u1", 400, "'item' must be given"),
        ("/explain?user=u1&item=nothing", 404, "'nothing'"),
        ("/items?limit=0", 400, "'limit' must be at least 1 (got 0)"),
        ("/items?start=-1", 400, "'start' must be at least 0 (got -1)"),
        ("/nowhere", 404, "'/nowhere'"),
        ("/users", 405, "'/users' does not take GET"),
    ],
)
def test_refused_addresses(client: Any, address: str, status: int, names: str) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert names in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "names"),
    [
        ("", 400, "the body must be"),
        ("{", 400, "the body must be JSON"),
        ("[]", 400, "the body must be a JSON object"),
        ("{}", 400, "'items' must be given"),
        ('{"items": []}', 400, "'items' must name at least one id"),
        ('{"items": "v1"}', 400, "'items' must be a list (got 'v1')"),
        ('{"items": [null]}', 400, "'items' must be a text or an integer (got None)"),
        ('{"items": [true]}', 400, "'items' must be a text or an integer (got True)"),
        ('{"items": ["v1"], "k": []}', 400, "'k' must be an integer (got [])"),
        ('{"items": ["v1"], "k": true}', 400, "'k' must be an integer (got True)"),
        ('{"items": ["v1"], "k": "3"}', 400, "'k' must be an integer (got '3')"),
        ('{"items": ["v1"], "items": ["v2"]}', 400, "each key of the body must be given once"),
        ('{"items": ["nothing"]}', 404, "'nothing'"),
        ('{"items": ["v1"], "allow": []}', 400, "'allow' must name at least one id"),
        ('{"items": ["v1"], "allow": ["nothing"]}', 404, "'allow': the run has no item"),
        ('{"items": ["v1"], "allow": "v1"}', 400, "'allow' must be a list (got 'v1')"),
        ('{"items": ["v1"], "deny": ["nothing"]}', 404, "'deny': the run has no item"),
        ('{"items": ["\\ud800"]}', 404, "'\\ud800'"),
        ('{"items": ["v1"], "name": "zoe"}', 400, "'name' is unknown here"),
        (json.dumps({"items": ["v1"] * 21}), 400, "'items' must name at most 20 ids (got 21)"),
        ("[" * 1900, 400, "body"),
        ('{"items": ["' + "v" * 2000 + '"]}', 413, "the body must have at most 2000 bytes"),
    ],
)
def test_refused_bodies(client: Any, body: str, status: int, names: str) -> None:
    answer = client.post("/users", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert names in answer.json()["error"]


def test_errors_name_no_other_ids(client: Any) -> None:
    assert "u1" not in client.get("/recommend", params={"user": "nobody"}).json()["error"]


def test_a_failure_tells_nothing_of_its_cause(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("soil_pyg.serving.endpoints.item_of", fail)
    answer = client.get("/items")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert list(answer.json()) == ["error"]


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["u1", "v1", "1", "0", "-1", "nan", "all", "1e9", "\0"]
)
NAMES = st.sampled_from(
    ["user", "item", "items", "k", "exclude_seen", "allow", "deny", "by", "start", "limit", "x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=3),
    max_leaves=6,
)


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]),
    address=st.sampled_from(ADDRESSES),
    parameters=st.lists(st.tuples(NAMES, TEXTS), max_size=4),
    body=st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()),
    kind=st.sampled_from(["application/json", "text/plain", "", "application/json; charset=x"]),
)
def test_drawn_requests_never_fail_the_server(
    client: Any,
    method: str,
    address: str,
    parameters: list[tuple[str, str]],
    body: bytes,
    kind: str,
) -> None:
    query = "&".join(f"{name}={encoded(value)}" for name, value in parameters)
    answer = client.request(
        method, f"{address}?{query}", content=body, headers={"content-type": kind}
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and method != "HEAD":
        assert list(answer.json()) == ["error"]
