"""list[Document] -> Tender: what the buyer imposes, in the buyer's own words. Rules only; each module says its own.

The documents of a tender are read together: the plan may stand in an annex, the criteria in the RC, the requirements
in the programme fonctionnel. What no rule finds stays empty.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.records import Document, Tender
from pipeline.tender.criteria import read_criteria
from pipeline.tender.deliverables import read_deliverables
from pipeline.tender.identity import read_buyer, read_deadlines, read_object, read_reference
from pipeline.tender.plan import read_plan
from pipeline.tender.requirements import read_requirements


def read_tender(documents: Sequence[Document]) -> Tender:
    """Everything the rules find in the buyer's documents. Pure; order of ``documents`` does not matter."""
    documents = sorted(documents, key=lambda document: document.name)
    award, selection = read_criteria(documents)
    plan = read_plan(documents)
    return Tender(
        object=read_object(documents),
        buyer=read_buyer(documents),
        reference=read_reference(documents),
        criteria=award,
        selection_criteria=selection,
        plan=plan.nodes,
        plan_rules=plan.rules,
        distinctions=plan.distinctions,
        deliverables=read_deliverables(documents),
        requirements=read_requirements(documents),
        deadlines=read_deadlines(documents),
    )
