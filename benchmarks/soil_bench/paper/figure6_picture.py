"""The picture of figure 6: lists of some users beside the shares of hits over all users."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from soil_bench.paper.pictures import BLUE, ORANGE, short_id

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECOND_ORDER, OURS = LISTS = ("second-order", "SOIL")
PLAIN, LINE = "white", "0.75"
STEP = 3.0
"""The distance from one user to the next, in heights of a list."""


def draw_lists(figure: "Figure", title: str, lists: pd.DataFrame, shares: pd.DataFrame) -> None:
    """Draws the lists of some users beside the shares of hits over all users."""
    from matplotlib.patches import Patch

    figure.suptitle(title)
    left, right = figure.subplots(1, 2, width_ratios=[3.4, 1])
    _draw_lists(left, lists)
    _draw_shares(right, shares)
    marks = [
        Patch(facecolor=ORANGE, edgecolor=LINE, label="in the user's test set"),
        Patch(facecolor=PLAIN, edgecolor=BLUE, lw=1.5, label="second-order item"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2)


def _draw_lists(axes: "Axes", lists: pd.DataFrame) -> None:
    from matplotlib.patches import Rectangle

    users = lists.drop_duplicates("user").set_index("user")["test items"].to_dict()
    places = {
        (user, name): STEP * number + line
        for number, user in enumerate(users)
        for line, name in enumerate(LISTS)
    }
    for _, row in lists.iterrows():
        x, y = row["rank"], places[row["user"], row["list"]]
        box = Rectangle((x - 0.46, y - 0.42), 0.92, 0.84, edgecolor=LINE, lw=0.6)
        box.set_facecolor(ORANGE if row["in test"] else PLAIN)
        if row["second-order"]:
            box.set(edgecolor=BLUE, linewidth=1.5)
        axes.add_patch(box)
        axes.text(x, y, short_id(row["item"]), ha="center", va="center")
    listed = set(zip(lists["user"], lists["list"], strict=True))
    for (user, name), y in places.items():
        if (user, name) not in listed:
            axes.text(0.54, y, "none", va="center")
    for user, count in users.items():
        number = "1 test item" if count == 1 else f"{count} test items"
        text = f"user {short_id(user, most=20)}, {number}"
        axes.text(0.54, places[user, LISTS[0]] - 0.55, text, va="bottom")
    axes.set_yticks(list(places.values()), [name for _, name in places])
    axes.set_xticks(range(1, lists["rank"].max() + 1))
    axes.set_xlim(0.5, lists["rank"].max() + 0.5)
    axes.set_ylim(max(places.values()) + 0.5, -1.4)
    axes.set_xlabel("rank of the item in the list")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_shares(axes: "Axes", shares: pd.DataFrame) -> None:
    percent, std = 100 * shares["share"].to_numpy(), 100 * shares["share std"].to_numpy()
    place = np.arange(len(shares))
    colours = [BLUE if name == SECOND_ORDER else "0.6" for name in shares["list"]]
    axes.barh(place, percent, height=0.6, color=colours, xerr=np.nan_to_num(std), ecolor="black")
    for x, y, spread in zip(percent, place, np.nan_to_num(std), strict=True):
        axes.annotate(
            *(f"{x:.2f}", (x + spread, y)), (3, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(place, shares["list"].replace("random", "random\n(expected)"))
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_xlim(0, 1.35 * np.nanmax([*(percent + np.nan_to_num(std)), 1e-6]))
    axes.tick_params(axis="y", length=0)
    title = f"all users,\n{shares['items'].max():,} items each"
    axes.set(title=title, xlabel="in the test set (%)")
