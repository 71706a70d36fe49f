import os
import threading

import pytest

from soil_pyg.serving.workers import Workers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")


def test_the_reason_of_a_worker_that_fails_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    ended = []

    def work(is_first: bool) -> None:
        raise RuntimeError("the reason")

    def on_end(process: int) -> None:
        ended.append(process)
        workers._end(15, None)

    workers = Workers(work, 1, on_end, 2)
    watch = threading.Timer(30, lambda: workers._end(15, None))
    watch.start()
    workers.run()
    watch.cancel()
    assert f"worker {ended[0]}: RuntimeError: the reason" in capfd.readouterr().err
