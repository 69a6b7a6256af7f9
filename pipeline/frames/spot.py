"""A place of a frame with the way to write in it, and what the two formats share in naming places."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.frames import words
from pipeline.frames.answers import identity_field
from pipeline.frames.package import Edit
from pipeline.french import fold_spaces, typeset
from pipeline.records import FrameKind, FramePlace

MAX_LABEL = 600
"""Characters kept of a question; longer ones are whole articles, which no requirement repeats."""


@dataclass(frozen=True)
class Spot:
    """A place, the member it is in, and the edits that write paragraphs in it."""

    place: FramePlace
    part: str
    write: Callable[[Sequence[str]], list[Edit]]


@dataclass(frozen=True)
class Scan:
    """What a frame holds."""

    spots: tuple[Spot, ...]
    remarks: tuple[str, ...] = ()
    """What could not be read for places, a French line each."""


class Namer:
    """Gives places their identifiers: what they ask and where, and a rank among equals."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def place(
        self,
        *,
        where: str,
        label: str,
        kind: FrameKind,
        empty: bool = True,
        reference: str = "",
        options: tuple[str, ...] = (),
        left: str = "",
        after: str = "",
        heading: str = "",
        of_another: bool = False,
    ) -> FramePlace:
        """A place; signatures, bank details, amounts and what concerns another party are left to a person."""
        label = fold_spaces(words.LEADER.sub(" ", label))[:MAX_LABEL].strip(" :–—•☐").strip()
        person = words.for_a_person(label, after, heading)
        if kind in ("text", "other", "comment", "choice") and person:
            kind, left = (kind, left or person[1]) if kind == "choice" else (person[0], left or person[1])
        if of_another and not left and kind == "text" and identity_field(label):
            left = (
                "Concerne un autre que le candidat (acheteur, cotraitant, sous-traitant…) : à remplir par une personne."
            )
        digest = hashlib.sha256(f"{where}|{label}|{kind}".encode()).hexdigest()[:10]
        self._seen[digest] += 1
        return FramePlace(
            id=f"{digest}-{self._seen[digest]}",
            where=typeset(where),
            label=label,
            kind=kind,
            empty=empty,
            reference=reference or words.reference(label),
            options=options,
            left=left,
        )
