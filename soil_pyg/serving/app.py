from importlib import import_module
from typing import TYPE_CHECKING, Any

from soil_pyg.serving.endpoints import add_endpoints
from soil_pyg.serving.errors import RequestError, describe, one_line
from soil_pyg.serving.graph_answers import UnavailableError
from soil_pyg.serving.guard import Guard, to_json
from soil_pyg.serving.metrics import Metrics
from soil_pyg.serving.requests import Error, Limits
from soil_pyg.serving.run_link import RunLink

if TYPE_CHECKING:
    from fastapi import FastAPI

DESCRIPTION = """Recommendations of a trained model. Ids are those of the original data, as texts.
A refused request is answered with a JSON object whose `error` says what was got and what to do."""


def create_app(
    link: RunLink, limits: Limits | None = None, metrics: Metrics | None = None, root_path: str = ""
) -> Guard:
    """Returns the ASGI application that serves a run.

    Args:
        link (RunLink): The run.
        limits (Limits, optional): The largest requests.
            (default: those of :class:`~soil_pyg.serving.requests.Limits`)
        metrics (Metrics, optional): The numbers for Prometheus. (default: new ones)
        root_path (str): The path at which a proxy shows the server. (default: :obj:`""`)
    """
    # The pages of FastAPI itself load their scripts from another server.
    from fastapi_offline import FastAPIOffline

    limits, metrics = limits or Limits(), metrics or Metrics(link)
    app = FastAPIOffline(
        redoc_url=None,
        title="soil-pyg",
        version=import_module("soil_pyg").__version__,
        description=DESCRIPTION,
        root_path=root_path,
        responses={"4XX": {"model": Error}},
    )
    add_endpoints(app, link, limits, metrics)
    _add_handlers(app)
    return Guard(app, limits.body, metrics)


def _add_handlers(app: "FastAPI") -> None:
    from fastapi import Request, Response
    from fastapi.exceptions import RequestValidationError

    def refuse(status: int, message: str) -> Response:
        content = to_json({"error": one_line(message)})
        return Response(content, status, media_type="application/json")

    async def on_refused(request: Request, error: Any) -> Response:
        return refuse(error.status, str(error))

    async def on_unavailable(request: Request, error: Exception) -> Response:
        return refuse(422, str(error))

    async def on_invalid(request: Request, error: Any) -> Response:
        return refuse(400, describe(error.errors()))

    async def on_http(request: Request, error: Any) -> Response:
        path, status = request.url.path, error.status_code
        texts = {
            404: f"there is no address '{path}': the page /docs lists them",
            405: f"'{path}' does not take {request.method}: the page /docs lists what it takes",
        }
        return refuse(status, texts.get(status, "the body must be JSON (got other bytes)"))

    async def on_failure(request: Request, error: Exception) -> Response:
        return refuse(500, "the server has failed: its log names the cause")

    app.add_exception_handler(RequestError, on_refused)
    app.add_exception_handler(UnavailableError, on_unavailable)
    app.add_exception_handler(RequestValidationError, on_invalid)
    for status in (400, 404, 405):
        app.add_exception_handler(status, on_http)
    app.add_exception_handler(Exception, on_failure)
