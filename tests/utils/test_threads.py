import os
import subprocess
import sys

import pytest

from soil_pyg.utils.threads import SPINS, VARIABLES

SHOW = "; import os; print(os.environ.get('GOMP_SPINCOUNT'), os.environ.get('OMP_WAIT_POLICY'))"
# Parallel loops with pauses in which threads either sleep or spin.
PAUSES = """
{imports}
import time
import torch
x = torch.zeros(2**18)
x.add_(1)
begin = time.process_time()
for _ in range(30):
    x.add_(1)
    time.sleep(0.02)
print(time.process_time() - begin)
"""


def run(code: str, **variables: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "2"} | variables,
    )
    return done.stdout.split()


def pauses(imports: str, **variables: str) -> float:
    return float(run(PAUSES.format(imports=imports), **variables)[0])


def test_the_import_decides_before_torch() -> None:
    code = f"import sys, soil_pyg.cli; print('torch' in sys.modules){SHOW}"
    assert run(code) == ["False", str(SPINS), "None"]


def test_a_setting_of_the_user_stays() -> None:
    assert run(f"import soil_pyg{SHOW}", GOMP_SPINCOUNT="7") == ["7", "None"]
    assert run(f"import soil_pyg{SHOW}", OMP_WAIT_POLICY="ACTIVE") == ["None", "ACTIVE"]


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="threads that outnumber cores never spin")
def test_threads_sleep_in_pauses() -> None:
    late = "import torch, soil_pyg.utils.threads as threads; threads.limit_spins_late()"
    spinning = pauses("")
    if spinning < 0.1:
        pytest.skip("the threads of this torch do not spin")
    assert pauses("import soil_pyg") < spinning / 3
    assert pauses(late) < spinning / 3
    assert pauses(late, GOMP_SPINCOUNT="300000") > spinning / 3
