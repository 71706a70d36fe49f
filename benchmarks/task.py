"""What runs in a process of its own: functions, and the files that they make for one another."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import measure


@dataclass(frozen=True)
class Task:
    """A function to call in a process of its own.

    Args:
        function (str): The function, as :obj:`"module:name"`.
        settings (dict[str, Any]): JSON values to call it with.
        needs (dict[str, Task], optional): The tasks that make the files that it reads, by the
            names of the arguments that take their paths. (default: none)
        path (Path, optional): The file that it makes, its argument :obj:`path`.
            (default: :obj:`None`)
    """

    function: str
    settings: dict[str, Any]
    needs: "dict[str, Task]" = field(default_factory=dict)
    path: Path | None = None

    def run(self) -> dict[str, Any]:
        """Calls the function and returns its result; files that it needs are made if missing.

        Raises:
            RuntimeError: If a process fails.
        """
        for need in self.needs.values():
            if need.path is not None and not need.path.exists():
                need.run()
        paths = {name: str(need.path) for name, need in self.needs.items()}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            paths["path"] = str(self.path)
        return measure(self.function, self.settings | paths)
