import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from soil_pyg.serving.run_link import RunLink

if TYPE_CHECKING:
    from prometheus_client import Metric

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with the folder in which processes add their numbers up; it must be set
before prometheus_client is imported.
"""


class Metrics:
    """The numbers of a server for Prometheus; several workers show their sums.

    Args:
        link (RunLink): The run that is served.
    """

    def __init__(self, link: RunLink) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._link, self._registry = link, CollectorRegistry()
        self._requests = Counter(
            "soil_pyg_requests",
            "Requests by address and status.",
            ["address", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "soil_pyg_request_seconds",
            "Time from the request to the end of the answer.",
            ["address"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=self._registry,
        )
        self._loaded = Gauge(
            "soil_pyg_run_loaded_timestamp_seconds",
            "When the run was loaded, the earliest time of all workers.",
            multiprocess_mode="livemin",
            registry=self._registry,
        )
        self._failed = Gauge(
            "soil_pyg_reload_failed",
            "1 if the run or a file of items cannot be loaded again and the old one stays.",
            multiprocess_mode="livemax",
            registry=self._registry,
        )
        workers = Gauge(
            "soil_pyg_workers",
            "Running workers.",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        workers.set(1)
        self.update()

    def update(self) -> None:
        """Notes the run that is served."""
        self._loaded.set(self._link.current.loaded)
        self._failed.set(bool(self._link.error))

    def observe(self, address: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(address, str(status)).inc()
        self._seconds.labels(address).observe(seconds)

    def render(self) -> bytes:
        """Returns the numbers of all workers in the text format of Prometheus."""
        from prometheus_client import CollectorRegistry, generate_latest

        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        registry.register(_SumsOfWorkers())
        return generate_latest(registry)


class _SumsOfWorkers:
    """Reads the numbers of all workers, except from a file that a worker has just created."""

    def collect(self) -> "Iterable[Metric]":
        """Returns the sums."""
        from prometheus_client.multiprocess import MultiProcessCollector

        files = [str(path) for path in Path(os.environ[SHARED_FOLDER]).glob("*.db") if _size(path)]
        sums: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return sums


def _size(path: Path) -> int:
    # The file of a worker that has ended is removed.
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
