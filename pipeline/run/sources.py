"""A cited passage -> the same shown in the text of its document, for a person to check. No model is loaded."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from pathlib import Path

from pipeline.clients import masked
from pipeline.errors import IndexDamagedError
from pipeline.french import typeset
from pipeline.library import notice
from pipeline.records import Passage, SourceView
from pipeline.run.drafting import secrets_of
from pipeline.settings import Settings
from pipeline.store import FILE, Store
from pipeline.workspace import Dossier

AROUND = 1500
"""Characters shown on each side: about half a page, what a reader needs to judge a sentence."""


def source_of(dossier: Dossier, passage: Passage, settings: Settings | None = None) -> SourceView:
    """The passage in the text around it. Where the index is absent or damaged, or the document has changed since it was
    cited, the passage as it was cited, alone. Names of clients who may not be named are masked, as in the drafts, and
    the file of a document written for one is not given out."""
    secrets = () if passage.kind == "dce" else secrets_of(dossier)
    before, text, after, path = _placed(dossier, passage)
    stale = notice(passage, dt.date.today(), (settings or Settings()).library.stale_months)
    return SourceView(
        kind=passage.kind,
        document=passage.document,
        page=passage.page,
        article=passage.article,
        before=masked(before, secrets),
        text=masked(text, secrets),
        after=masked(after, secrets),
        notice=typeset(stale) if stale else "",
        confidential=typeset(f"Client confidentiel, à citer ainsi : « {passage.client_alias} ».")
        if passage.client_alias
        else "",
        found=path is not None,
        file=str(path) if path and path.is_file() and _offered(dossier, passage, path) else None,
    )


def _placed(dossier: Dossier, passage: Passage) -> tuple[str, str, str, Path | None]:
    """Text before, of and after the passage, and its document's file; the passage's own text, and ``None``, where the
    index does not have it."""
    alone = ("", passage.text, "", None)
    path = dossier.index / FILE
    if not path.is_file():
        return alone
    try:
        with contextlib.closing(Store(path)) as store:
            row = store.row(passage.id)
            document = store.document(row.path) if row else None
            if row is None or document is None:
                return alone
            held = store.passage(row)
    except IndexDamagedError:  # search and drafting make it again; what was cited is still known
        return alone
    whole = document.text
    start, end = held.start, held.end
    text = whole[start:end] or held.text
    before, after = whole[max(0, start - AROUND) : start], whole[end : end + AROUND]
    if start > AROUND:
        before = re.sub(r"^\S*\s", "", before)
    if end + AROUND < len(whole):
        after = re.sub(r"\s\S*$", "", after)
    return before, text, after, dossier.root / row.path


def _offered(dossier: Dossier, passage: Passage, path: Path) -> bool:
    """Whether a file is one of the buyer's or of the library as it is now: nothing else is given out."""
    if passage.client_alias:
        return False
    whole = path.resolve()
    return any(whole.is_relative_to(place.resolve()) for place in (dossier.dce, *dossier.library()))
