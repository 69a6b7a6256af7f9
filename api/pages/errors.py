"""Refusals as pages: what happened, what to do."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from api.pages.rendering import render
from api.problems import Problem
from pipeline.french import typeset

REMEDIES = {
    403: "Demandez un autre rôle à l’administrateur du dossier, ou rechargez la page si elle est restée ouverte.",
    404: "L’adresse est peut-être incomplète, ou le dossier n’est pas partagé avec vous.",
    409: "Revenez à la page précédente et rechargez-la : elle montrera l’état présent.",
    413: "Envoyez moins de fichiers à la fois, ou un ZIP plus petit.",
    415: "Vérifiez le format du fichier.",
    422: "Revenez à la page précédente et corrigez le champ nommé.",
    429: "Attendez une minute, puis recommencez.",
    500: "L’erreur est notée dans le journal du serveur. Recommencez ; si elle revient, prévenez l’administrateur.",
    503: "Le serveur est occupé : recommencez dans une minute.",
}
"""What to do about each status; the sentence of the refusal itself comes before."""


def error_page(request: Request, problem: Problem, headers: Mapping[str, str]) -> Response:
    """The page of a refusal, with the headers it needs."""
    told = [typeset(problem.detail), *(typeset(f"{item.field} : {item.message}") for item in problem.errors)]
    page = render(
        request,
        "error.html.jinja",
        problem.status,
        code=problem.status,
        title=typeset(problem.title),
        told=list(dict.fromkeys(told)),
        remedy=REMEDIES.get(problem.status, ""),
    )
    page.headers.update(headers)
    return page
