import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("train_sharded.py")
FILES = ("model.safetensors", "embeddings.safetensors", "ids.safetensors")


def run(folder: Path, devices: int, **others: Any) -> Path:
    """Trains all cases with sharded tables on processes that Fabric starts."""
    command = [sys.executable, str(SCRIPT), str(folder), str(devices), json.dumps(others)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder
