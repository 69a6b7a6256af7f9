"""A plan scattered in the technical clauses: each « le candidat précisera dans son mémoire technique… » is a point.

The buyer then says in the RC that the mémoire answers these requests in the order of the clauses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.french import sentences
from pipeline.records import Block
from pipeline.tender.plan.nodes import Node, item_text

_MEMOIRE = (
    r"(?:son |sa |le |au |du |l['’]|leur )?(?:m[ée]moire (?:technique|justificatif)|(?:offre|r[ée]ponse) technique)"
)
_ASKS = re.compile(
    r"\b(?:titulaire|candidats?|soumissionnaires?|prestataire|entreprise|fournisseur)\s+"
    r"(?:devra\s+|doit\s+|pr[ée]cis|d[ée]cri|indiqu|d[ée]taill|expos|pr[ée]sent|d[ée]velopp|explicit|propos)\w*\s*"
    rf"(?:\w+\s+)?dans\s+{_MEMOIRE}\s*(?P<what>.*)$",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^(?P<what>.{8,200}?)\s+(?:est|sont|sera|seront|devra|devront)\s+(?:[àa]\s+|être\s+)?"
    r"(?:pr[ée]cis|d[ée]cri|indiqu|d[ée]taill|expos|pr[ée]sent|d[ée]velopp|explicit)\w*\s+"
    rf"(?:au|dans)\s+{_MEMOIRE}",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"\s*(?:[,;]|\()\s*[^(),;]*(?:à l['’]appui|joindra|à joindre|jointe?s?\b|justificatif)[^(),;]*\)?$", re.IGNORECASE
)
"""Evidence asked for at the end of a request."""
LEAST = 3


def read_scattered(blocks: Sequence[Block]) -> list[Node]:
    """The requests of a document of technical clauses, in order; empty under LEAST of them."""
    nodes: list[Node] = []
    for index, block in enumerate(blocks):
        if block.kind not in ("paragraph", "item"):
            continue
        said = sentences(block.text)
        for number, sentence in enumerate(said):
            match = _ASKS.search(sentence) or _ASKED.search(sentence)
            if not match:
                continue
            what = match["what"].strip(" :,.")
            if what:
                aside = _ASIDE.search(what)
                node = Node("", item_text(what[: aside.start()] if aside else what), 1, "", block.page)
                if aside:
                    node.evidence.append(item_text(aside.group(0).strip(" (),;")))
                after = said[number + 1] if number + 1 < len(said) else ""
                if re.match(r"^(?:il|elle) (?:y )?joindra|^joindre", after, re.IGNORECASE):
                    node.evidence.append(item_text(after))
                nodes.append(node)
            elif sentence.rstrip().endswith(":"):
                for item in blocks[index + 1 :]:
                    if item.kind != "item":
                        break
                    nodes.append(Node("", item_text(item.text), 1, "", item.page))
    return nodes if len(nodes) >= LEAST else []
