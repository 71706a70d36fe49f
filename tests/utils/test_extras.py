import json
from typing import Any

import pytest

from soil_pyg.utils import extras
from soil_pyg.utils.extras import install_command


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "pip install 'soil-pyg[embed]'"),
        (
            {"url": "file:///a%20b", "dir_info": {"editable": True}},
            "pip install -e '/a b[embed]'",
        ),
        ({"url": "file:///a", "dir_info": {}}, "pip install '/a[embed]'"),
        (
            {"url": "https://x/y.git", "vcs_info": {"vcs": "git", "commit_id": "1f"}},
            "pip install 'soil-pyg[embed] @ git+https://x/y.git@1f'",
        ),
        (
            {"url": "file:///soil_pyg-1-py3-none-any.whl", "archive_info": {}},
            "pip install 'soil-pyg[embed] @ file:///soil_pyg-1-py3-none-any.whl'",
        ),
    ],
)
def test_an_extra_comes_from_where_the_package_came(
    monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None, expected: str
) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if origin is None else json.dumps(origin)

    monkeypatch.setattr(extras, "distribution", lambda name: Distribution())
    assert install_command("embed") == expected
