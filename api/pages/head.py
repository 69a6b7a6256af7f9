"""What the frame of a dossier's pages says: its name, and what the caller may do in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from api.access import Asked, Permission
from api.pages.reading import tender_of
from pipeline.errors import MemoireError

_ALL: tuple[Permission, ...] = get_args(Permission)


@dataclass(frozen=True)
class Head:
    """Of a dossier."""

    id: str
    title: str
    """The contract's object, short; the identifier while it is not read."""
    role: str
    may: frozenset[str]


def head_of(asked: Asked) -> Head:
    """Never fails: a dossier whose consultation.yaml is wrong is still named."""
    name = asked.dossier.root.name
    try:
        tender = tender_of(asked.dossier)
    except MemoireError:
        tender = None
    title = (tender.reference or tender.object or name) if tender else name
    may = frozenset(permission for permission in _ALL if asked.may(permission))
    return Head(name, title if len(title) <= 80 else f"{title[:79]}…", asked.role, may)
