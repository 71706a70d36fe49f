"""Loads a server by wrk, or by the client of :mod:`soil_bench.speed.serve_client` without it."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from soil_bench.runs.results import Record
from soil_bench.speed.serve_client import load_for
from soil_pyg.cli.errors import FailureError

MAX_USERS = 1000
SCRIPT = """
local users = {{{users}}}
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/recommend?k={k}&user=" .. users[n % #users + 1])
end
"""
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def has_wrk() -> bool:
    """Returns whether wrk is installed."""
    return shutil.which("wrk") is not None


def load_of(port: int, users: list[str], k: int, connections: int, seconds: int) -> Record:
    """Asks for recommendations over some connections and returns the requests per second, the
    median and the 99th percentile of the latency in milliseconds, and the number of failures.

    Args:
        port (int): The port of the server.
        users (list[str]): The users, who are asked for in turns.
        k (int): The number of items per user.
        connections (int): The number of connections.
        seconds (int): The duration.

    Raises:
        FailureError: If wrk fails.
    """
    if not has_wrk():
        return load_for(port, users, k, connections, seconds)
    step = max(1, len(users) // MAX_USERS)
    listed = ",".join(f'"{user}"' for user in users[::step])
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "users.lua")
        script.write_text(SCRIPT.format(users=listed, k=k), "utf-8")
        where = f"http://127.0.0.1:{port}"
        flags = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
        done = subprocess.run(
            ["wrk", *flags, "-s", str(script), where], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise FailureError(f"wrk ended with exit code {done.returncode}: {done.stderr.strip()}")
    return parse_wrk(done.stdout)


def parse_wrk(text: str) -> Record:
    r"""Returns the numbers in the output of wrk.

    Example:
        >>> parse_wrk("50%  1.50ms\n99%  2.00s\nRequests/sec: 12.5")
        {'requests_per_second': 12.5, 'p50_ms': 1.5, 'p99_ms': 2000.0, 'failures': 0}
    """
    found = {f"p{share}_ms": _milliseconds(text, share) for share in (50, 99)}
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    errors = re.search(r"Socket errors: (.*)", text)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    assert rate is not None
    failures = sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0
    failures += int(other[1]) if other else 0
    return {"requests_per_second": float(rate[1]), **found, "failures": failures}


def _milliseconds(text: str, share: int) -> float:
    found = re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)\b", text)
    assert found is not None
    return float(found[1]) * UNITS[found[2]]
