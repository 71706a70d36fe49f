"""From a table of purchases and a folder of pictures to recommendations and a report.

Runs offline in half a minute: `python examples/own_data.py [FOLDER]`. Editors that support cells
(`# %%`) open it as a notebook. Requires the extra `report`.
"""

# %% [markdown]
# ## A small shop
# A table of purchases, a table of items and their pictures, which you can replace by your own. Each
# customer here likes one kind of product in one colour. The title of a product tells its kind, and
# the picture tells its colour.

# %%
import random
import sys
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image

import soil_pyg
from soil_pyg.encoders import ColourHistogramEncoder, TfidfEncoder

folder = Path(sys.argv[1] if __name__ == "__main__" and len(sys.argv) > 1 else tempfile.mkdtemp())
pictures = folder / "pictures"
pictures.mkdir(parents=True, exist_ok=True)
rng = random.Random(0)
KINDS = {"mug": "cup for tea", "shirt": "cotton shirt", "lamp": "reading lamp", "bag": "travel bag"}
COLOURS = {"red": (200, 40, 40), "green": (40, 150, 70), "blue": (50, 80, 200)}

things = [
    {"item": f"{kind}-{number}", "kind": kind, "colour": rng.choice(list(COLOURS))}
    for kind in KINDS
    for number in range(30)
]
for thing in things:
    thing["title"] = f"{KINDS[thing['kind']]} no. {thing['item'].partition('-')[2]}"
    shade = tuple(
        max(0, min(255, part + rng.randint(-35, 35))) for part in COLOURS[thing["colour"]]
    )
    Image.new("RGB", (64, 64), shade).save(pictures / f"{thing['item']}.png")

purchases = []
for number in range(300):
    kind, colour = rng.choice(list(KINDS)), rng.choice(list(COLOURS))
    liked = [thing for thing in things if (thing["kind"], thing["colour"]) == (kind, colour)]
    bought = rng.sample(liked, min(5, len(liked))) + rng.sample(things, 2)
    purchases += [{"user": f"customer {number}", "item": thing["item"]} for thing in bought]

# The last mug is new and has no purchases yet.
new = things[29]
purchases = [pair for pair in purchases if pair["item"] != new["item"]]
pd.DataFrame(purchases).to_csv(folder / "purchases.csv", index=False)
items = pd.DataFrame(things)[["item", "title"]]
items["image"] = [f"{item}.png" for item in items["item"]]
items.to_csv(folder / "items.csv", index=False)

# %% [markdown]
# ## Prepare
# Interactions and features are written to a data folder. Features are given as vectors or, as here,
# computed from texts and pictures. `TextEncoder` and `PictureEncoder` use neural networks (extra
# `embed`). The result lists the dropped interactions with the reasons.

# %%
data = folder / "DATA"
prepared = soil_pyg.prepare(
    folder / "purchases.csv",
    data,
    {"text": TfidfEncoder("title"), "image": ColourHistogramEncoder(pictures)},
    items=folder / "items.csv",
    image_folder=pictures,
    overwrite=True,
)
print(prepared["counts"], prepared["modalities"], sep="\n")

# %% [markdown]
# ## Train
# The same call resumes an interrupted run, and does nothing if the run is finished. Every setting
# of the model, its graphs and its trainer is an argument.

# %%
run = folder / "RUNS" / "soil"
result = soil_pyg.train(data, run, "soil", epochs=30, lr=0.01, batch_size=256, k=5, k_i=5)
soil_pyg.train(data, folder / "RUNS" / "bpr", "bpr", epochs=30, lr=0.01, batch_size=256)
print(soil_pyg.compare([run, folder / "RUNS" / "bpr"])[["model", "test recall@20"]])

# %% [markdown]
# ## Recommend and explain
# Ids are those of the tables. The parts of an explanation sum to the score.

# %%
recommended = soil_pyg.recommend(run, users=["customer 0"], k=5)
print(recommended)
first = recommended["item"][0]
explanation = soil_pyg.explain(run, "customer 0", first)
print(explanation.by_modality())
print(explanation.by_item().head())
print(soil_pyg.similar(run, items=[first], k=3))

# %% [markdown]
# ## New items and new users
# Without training, a new product is embedded from its features, here only its picture, and a new
# customer from a few purchases.

# %%
trained = soil_pyg.load(run)
vector = ColourHistogramEncoder(pictures).encode(items[items["item"] == new["item"]])
later = soil_pyg.add_items(trained, data, {"image": vector}, [new["item"]])
print(new["colour"], soil_pyg.similar(later, items=[new["item"]], k=3), sep="\n")

shirts = [thing["item"] for thing in things[30:33]]
purchases_of_zoe = pd.DataFrame({"user": "zoe", "item": shirts})
later = soil_pyg.add_users(trained, data, purchases_of_zoe)
print(soil_pyg.recommend(later, users=["zoe"], k=5))

# %% [markdown]
# ## Report
# A self-contained page with learning curves, metrics, graphs, and some customers with their
# purchases and recommendations.

# %%
page = soil_pyg.report(folder / "RUNS", folder / "report.html")
print(f"open {page} in a browser")
