import os
import subprocess
import sys
from pathlib import Path

import pytest

from soil_pyg.utils.huge_pages import VARIABLE

ON_REQUEST = Path("/sys/kernel/mm/transparent_hugepage/enabled")
KIBIBYTES = """
import soil_pyg
import torch
x = torch.ones(2**24)
with open("/proc/self/smaps_rollup") as file:
    print(*(line.split()[1] for line in file if line.startswith("AnonHugePages:")))
"""


def run(code: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=environment | variables,
    )
    return done.stdout.strip()


def test_a_setting_of_the_user_stays() -> None:
    show = f"import os, soil_pyg; print(os.environ[{VARIABLE!r}])"
    assert run(show) == "1"
    assert run(show, **{VARIABLE: "0"}) == "0"


@pytest.mark.skipif(
    not ON_REQUEST.is_file() or "[madvise]" not in ON_REQUEST.read_text(),
    reason="the system does not give huge pages on request",
)
def test_large_tensors_lie_in_huge_pages() -> None:
    # Half of the tensor's 64 MiB is proof enough: free memory may be in pieces.
    assert int(run(KIBIBYTES)) > 32 * 1024
    assert int(run(KIBIBYTES, **{VARIABLE: "0"})) < 16 * 1024
