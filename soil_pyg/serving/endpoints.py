import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from torch import Tensor

from soil_pyg.serving import requests
from soil_pyg.serving.answers import explained, id_of, item_of, locate, ranked
from soil_pyg.serving.errors import RequestError, refusing
from soil_pyg.serving.guard import to_json
from soil_pyg.serving.metrics import Metrics
from soil_pyg.serving.requests import Limits
from soil_pyg.serving.run_link import RunLink
from soil_pyg.serving.served_run import ServedRun
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.checks import check_integer

if TYPE_CHECKING:
    from fastapi import FastAPI

NEW_USER = "check the id, or send the purchases of a new user to POST /users"

_graph_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="graphs")


def add_endpoints(app: "FastAPI", link: RunLink, limits: Limits, metrics: Metrics) -> None:
    """Adds the addresses of the server to an application.

    A request keeps the run that it began with, also if another one is put in its place.

    Args:
        app (fastapi.FastAPI): The application.
        link (RunLink): The run.
        limits (Limits): The largest requests.
        metrics (Metrics): The numbers that :obj:`/metrics` shows.
    """
    from fastapi import Query, Response

    def answer(value: dict[str, Any]) -> Response:
        return Response(to_json(value), media_type="application/json")

    @app.get("/recommend", response_model=requests.Recommendations)
    async def recommend(given: Annotated[requests.RecommendParameters, Query()]) -> Response:
        """Recommends items to users, as `soil-pyg recommend` does, without those that the files of
        the server leave out.
        """
        _check(limits, given.k, user=given.user, allow=given.allow, deny=given.deny)
        run = link.current
        users = locate(run, USER, given.user, "user", NEW_USER)
        choice = _choose(run, given.allow, given.deny)
        future = run.recommend(users, given.k, given.exclude_seen, *choice)
        found = await asyncio.wrap_future(future)
        lists = [
            {"user": id_of(run, USER, place), "items": ranked(run, ITEM, *best)}
            for place, best in zip(users.tolist(), found, strict=True)
        ]
        return answer({"recommendations": lists})

    @app.get("/similar", response_model=requests.SimilarLists)
    async def similar(given: Annotated[requests.SimilarParameters, Query()]) -> Response:
        """Finds the items most similar to items, or the users most similar to users, as
        `soil-pyg similar` does.
        """
        _check(limits, given.k, item=given.item, user=given.user)
        if bool(given.item) == bool(given.user):
            got = "both" if given.item else "none"
            raise RequestError(400, f"either 'item' or 'user' must be given (got {got})")
        run = link.current
        kind, ids = (ITEM, given.item) if given.item else (USER, given.user)
        rows = locate(run, kind, ids, kind)
        if given.by is not None and kind == USER:
            raise RequestError(400, f"'by' must not be given with 'user' (got {given.by!r})")
        if given.by is None and kind == ITEM:
            future = run.similar(kind, rows, given.k)
        else:
            # The first request of a kind normalises all users, or the features of all items.
            loop = asyncio.get_running_loop()
            with refusing():
                future = await loop.run_in_executor(
                    _graph_threads, run.similar, kind, rows, given.k, given.by
                )
        found = await asyncio.wrap_future(future)
        lists = []
        for place, best in zip(rows.tolist(), found, strict=True):
            about = item_of(run, place) if kind == ITEM else {USER: id_of(run, USER, place)}
            lists.append({**about, f"{kind}s": ranked(run, kind, *best)})
        return answer({"similar": lists})

    @app.get("/explain", response_model=requests.Parts)
    async def explain(given: Annotated[requests.ExplainParameters, Query()]) -> Response:
        """Splits a score into parts that add up to it, as `soil-pyg explain` does."""
        run = link.current
        user = int(locate(run, USER, [given.user], "user", NEW_USER)[0])
        item = int(locate(run, ITEM, [given.item], "item")[0])
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_graph_threads, run.of_graphs.explain, user, item)
        return answer(explained(run, item, found, given.by))

    @app.get("/items", response_model=requests.Items)
    async def items(given: Annotated[requests.ItemsParameters, Query()]) -> Response:
        """Shows items, or a page of all of them, with their titles."""
        run = link.current
        limit = min(limits.ids, 50) if given.limit is None else given.limit
        _check(limits, item=given.item)
        with refusing():
            check_integer("start", given.start, 0)
            check_integer("limit", limit, 1, limits.ids)
        total = len(run.trained.item_id)
        page: Sequence[int] = range(total)[given.start : given.start + limit]
        if given.item:
            page = locate(run, ITEM, given.item, "item").tolist()
        return answer({"items": [item_of(run, place) for place in page], "total": total})

    @app.post("/users", response_model=requests.UserRanking)
    async def users(given: requests.NewUser) -> Response:
        """Recommends items to a user that the run does not know, from a list of purchases. Nothing
        is stored.
        """
        allow = given.allow or []
        _check(limits, given.k, items=given.items, allow=allow, deny=given.deny)
        run = link.current
        places = locate(run, ITEM, list(map(str, given.items)), "items").tolist()
        choice = _choose(run, allow, given.deny)
        loop = asyncio.get_running_loop()
        future = await loop.run_in_executor(
            _graph_threads, run.recommend_to_new, places, given.k, given.exclude_seen, *choice
        )
        (best,) = await asyncio.wrap_future(future)
        return answer({"user": None, "items": ranked(run, ITEM, *best)})

    @app.head("/health", include_in_schema=False)
    @app.get("/health", response_model=requests.Health)
    async def health() -> Response:
        """Says which run is served, and whether the last change of runs or of files of items has
        failed.
        """
        run = link.current
        return answer(
            {
                "status": "ok",
                "version": import_module("soil_pyg").__version__,
                "model": type(run.trained.model).__name__,
                "users": len(run.trained.user_id),
                "items": len(run.trained.item_id),
                "run": run.digest,
                "loaded": run.loaded,
                "reload_failed": bool(link.error),
            }
        )

    @app.get("/metrics", response_class=Response)
    async def show_metrics() -> Response:
        """Shows counts and times of requests for Prometheus."""
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _choose(
    run: ServedRun, allow: Sequence[str | int], deny: Sequence[str | int]
) -> tuple[Tensor | None, Tensor | None]:
    """Returns the positions of the only items to recommend and of those never to, or raises
    :class:`~soil_pyg.serving.errors.RequestError` for an unknown one.
    """
    lists = {"allow": allow, "deny": deny}
    found = [locate(run, ITEM, list(map(str, x)), n) if x else None for n, x in lists.items()]
    return found[0], found[1]


def _check(limits: Limits, k: int | None = None, **ids: Sequence[str | int]) -> None:
    with refusing():
        if k is not None:
            check_integer("k", k, 1, limits.k)
    for name, given in ids.items():
        if len(given) > limits.ids:
            raise RequestError(
                400,
                f"'{name}' must name at most {limits.ids} ids (got {len(given)}): send several "
                "requests",
            )
