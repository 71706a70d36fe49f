"""Small copies of pictures that a page holds itself."""

import base64
import io

from soil_pyg.encoders.picture_files import read_picture

SIZE = 144
"""The longer side in pixels, more than is shown: for dense screens."""
QUALITY = 72


class Thumbnails:
    """Makes small copies of pictures, and remembers which could not be made."""

    def __init__(self) -> None:
        self.unreadable: dict[str, str] = {}
        """The files that could not be read, with the reason."""
        self.num_addresses = 0
        """The number of pictures that are addresses, which are not followed."""
        self._made: dict[str, str | None] = {}

    def make(self, path: str) -> str | None:
        """Returns the small copy as a :obj:`data:` address, or :obj:`None` if there is none.

        Args:
            path (str): The file.
        """
        if path not in self._made:
            self._made[path] = self._make(path)
        return self._made[path]

    def _make(self, path: str) -> str | None:
        if "://" in path:
            self.num_addresses += 1
            return None
        try:
            picture = read_picture(path)
        except ValueError as error:
            self.unreadable[path] = str(error)
            return None
        picture.thumbnail((SIZE, SIZE))
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=QUALITY)
        return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
