import os
import subprocess
import sys
from pathlib import Path

import pytest

from soil_bench.speed.process_tree import ProcessTree, below

LARGE = "x = bytearray(50 * 2**20); print(len(x), flush=True); input()"
NESTED = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux shows the memory")
def test_processes_below_are_measured() -> None:
    command = [sys.executable, "-c", NESTED, LARGE]
    # The process of the tests, which may run the same program, is not of this kind.
    kind = "\0".join(command[:2])
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        ProcessTree(kind, "nothing of the kind") as tree,
        ProcessTree(kind, "bytearray") as others,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        found = below(os.getpid())
        assert found[0] == os.getpid()
        assert process.pid in found
        assert len(below(process.pid)) == 2
        for each in (tree, others):
            each.sample()
        process.communicate()
    assert 50 < tree.one_mb < tree.total_mb
    assert others.one_mb == 0
    assert others.total_mb > 50
