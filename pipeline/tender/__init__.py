"""list[Document] -> Tender: what the buyer imposes, in the buyer's own words. Rules only; each module says its own.

The documents of a tender are read together: the plan may stand in an annex, the criteria in the RC, the requirements
in the programme fonctionnel. What no rule finds stays empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.records import Document, Piece, Tender, TenderDocument
from pipeline.tender.classify import of_kind, piece
from pipeline.tender.conditions import read_conditions
from pipeline.tender.criteria import read_criteria
from pipeline.tender.deliverables import read_deliverables
from pipeline.tender.form import read_format_rules, read_pieces
from pipeline.tender.identity import read_buyer, read_deadlines, read_object, read_reference
from pipeline.tender.inconsistencies import find_inconsistencies
from pipeline.tender.links import find_links
from pipeline.tender.plan import read_plan
from pipeline.tender.requirements import read_requirements


def read_tender(documents: Sequence[Document], pieces: Mapping[str, Piece] | None = None) -> Tender:
    """Everything the rules find in the buyer's documents. Pure; order of ``documents`` does not matter.

    ``pieces`` says which piece a document is, by name, where a person knows better: it is then read as such, while
    ``Tender.documents`` still says what its content looks like.
    """
    said = pieces or {}
    told = tuple(TenderDocument(name=d.name, piece=piece(d)) for d in sorted(documents, key=lambda d: d.name))
    documents = sorted(
        (document.model_copy(update={"piece": said.get(document.name)}) for document in documents),
        key=lambda document: document.name,
    )
    rules = of_kind(documents, "RC", "LETTRE")
    award, selection = read_criteria(rules)
    plan = read_plan(documents, award)
    tender = Tender(
        object=read_object(rules),
        buyer=read_buyer(rules),
        reference=read_reference(rules),
        criteria=award,
        selection_criteria=selection,
        plan=plan.nodes,
        plan_rules=plan.rules,
        distinctions=plan.distinctions,
        deliverables=read_deliverables(documents),
        requirements=read_requirements(documents),
        deadlines=read_deadlines(rules),
        pieces=read_pieces(rules),
        format_rules=read_format_rules(rules),
        conditions=read_conditions(documents),
        documents=told,
    )
    tender = tender.model_copy(update={"links": find_links(tender)})
    return tender.model_copy(update={"inconsistencies": find_inconsistencies(documents, tender)})
