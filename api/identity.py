"""Who may sign in: nobody yet."""

from __future__ import annotations

from pathlib import Path


class Identity:
    """The users of a server."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def users(self) -> list[str]:
        """All, by name."""
        return []
