import numpy as np
import pandas as pd
import pytest

from soil_bench.paper.figure6_picture import draw_lists
from soil_bench.paper.pictures import BLUE, ORANGE

pytest.importorskip("matplotlib")


def test_what_is_drawn() -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.figure import Figure

    columns = ["user", "list", "rank", "item", "in test", "second-order", "test items"]
    rows = [
        ("ann", "second-order", 1, "tea", True, True, 2),
        ("ann", "second-order", 2, "milk", False, True, 2),
        ("ann", "SOIL", 1, "coffee beans", True, False, 2),
        ("ann", "SOIL", 2, "rum", False, False, 2),
        ("ann", "SOIL", 3, "tea", True, True, 2),
        ("ben", "SOIL", 1, "rum", False, False, 1),
    ]
    shares = pd.DataFrame({"list": ["random", "popular", "second-order", "SOIL"], "items": 1234})
    shares["share"], shares["share std"] = [0.01, 0.02, 0.03, 0.04], [np.nan] * 3 + [0.005]
    figure = Figure()
    draw_lists(figure, "the title", pd.DataFrame(rows, columns=columns), shares)
    assert figure.get_suptitle() == "the title"
    marks = [text.get_text() for text in figure.legends[0].get_texts()]
    assert marks == ["in the user's test set", "second-order item"]
    left, right = figure.axes
    names = [text.get_text() for text in left.get_yticklabels()]
    lines = dict(zip(left.get_yticks().tolist(), names, strict=True))
    assert names == ["second-order", "SOIL"] * 2

    texts = {text.get_position(): text.get_text() for text in left.texts}
    found = {}
    for patch in left.patches:
        place = tuple(np.round(patch.get_center(), 6).tolist())
        is_hit = patch.get_facecolor() == to_rgba(ORANGE)
        is_second = patch.get_edgecolor() == to_rgba(BLUE)
        found[place] = (lines[place[1]], texts[place], is_hit, is_second)
    assert list(found.values()) == [
        ("second-order", "tea", True, True),
        ("second-order", "milk", False, True),
        ("SOIL", "…eans", True, False),
        ("SOIL", "rum", False, False),
        ("SOIL", "tea", True, True),
        ("SOIL", "rum", False, False),
    ]
    assert [x for x, _ in found] == [1, 2, 1, 2, 3, 1]
    others = [text for place, text in texts.items() if place not in found]
    assert others == ["none", "user ann, 2 test items", "user ben, 1 test item"]
    # The first user is on top.
    assert left.yaxis_inverted()
    assert left.get_xticks().tolist() == [1, 2, 3]

    assert [bar.get_width() for bar in right.patches] == pytest.approx([1, 2, 3, 4])
    assert [text.get_text() for text in right.texts] == ["1.00", "2.00", "3.00", "4.00"]
    labels = ["random\n(expected)", "popular", "second-order", "SOIL"]
    assert [text.get_text() for text in right.get_yticklabels()] == labels
    assert right.get_title() == "all users,\n1,234 items each"
    assert right.get_xlabel() == "in the test set (%)"
    low, high = np.array(right.collections[0].get_segments())[3, :, 0]
    assert (low, high) == pytest.approx((3.5, 4.5))


def test_no_second_order_items_at_all() -> None:
    from matplotlib.figure import Figure

    row = {"user": 1, "list": "SOIL", "rank": 1, "item": 2, "in test": False, "test items": 1}
    shares = pd.DataFrame({"list": ["random"], "items": 0, "share": np.nan, "share std": np.nan})
    figure = Figure()
    draw_lists(figure, "", pd.DataFrame([row | {"second-order": False}]), shares)
    assert figure.axes[0].texts[1].get_text() == "none"
