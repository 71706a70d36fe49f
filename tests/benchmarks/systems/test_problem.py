from pathlib import Path

import numpy as np

from soil_bench.systems.problem import Problem, Settings, load_problem

SETTINGS = Settings("bpr", 2, 3, 8, 1, 4, 0.01, 0.1, 0.0, 2, 1, 0)


def test_a_problem_comes_back_from_its_folder(tmp_path: Path) -> None:
    train, val = np.array([[0, 1], [2, 0]]), np.array([[1], [1]])
    Problem(SETTINGS, train, val).save(tmp_path)
    found = load_problem(tmp_path)
    assert found.settings == SETTINGS
    assert found.train.tolist() == train.tolist()
    assert found.val.tolist() == val.tolist()
