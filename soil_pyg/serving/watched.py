import logging
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

logger = logging.getLogger("soil_pyg")

RETRY_SECONDS = 30.0
"""The time after which what could not be loaded is tried again."""

T = TypeVar("T")


class Watched(Generic[T]):
    """A value that is loaded again when its source changes. If that fails, the old one stays.

    Args:
        name (str): What is loaded, for the log.
        look (callable): Returns the state of the source, or :obj:`None` while it is replaced.
        load (callable): Returns the value.

    Raises:
        Exception: That of the first load.

    Example:
        >>> source = ["tea"]
        >>> watched = Watched("list", lambda: source[0], lambda: source[0].upper())
        >>> source[0] = "rum"
        >>> watched.refresh(), watched.current
        (True, 'RUM')
    """

    def __init__(
        self, name: str, look: Callable[[], Hashable | None], load: Callable[[], T]
    ) -> None:
        self._name, self._look, self._load = name, look, load
        self._state, self._tried = look(), 0.0
        self.current = load()
        self.error = ""
        """The reason why what is there now could not be loaded."""

    def refresh(self, again: bool = False) -> bool:
        """Loads the value if its source has changed, and returns whether it has been loaded. What
        could not be loaded is tried again after a while, or at once.
        """
        state, now = self._look(), time.monotonic()
        is_new = state is not None and state != self._state
        is_due = again or now - self._tried >= RETRY_SECONDS
        if not is_new and not (self.error and is_due):
            return False
        self._state, self._tried = state, now
        try:
            self.current = self._load()
        except Exception as error:
            # Whatever is wrong with the new one must not end the service of the old one.
            self.error = str(error)
            logger.warning(
                "the old %s stays, as the new one cannot be loaded: %s", self._name, error
            )
            return False
        self.error = ""
        return True
