"""A route that wants the content type it declares: anything else is told so (415), not misread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Response, params
from fastapi.routing import APIRoute
from starlette.requests import Request

from api.problems import WrongType


class TypedRoute(APIRoute):
    """Refuses a body of another content type than its operation's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        wanted = self._wanted()
        if wanted is None:
            return handler

        async def checked(request: Request) -> Response:
            given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if given != wanted:
                raise WrongType(
                    "Ce type de contenu n’est pas accepté", where=given or "aucun", remedy=f"Envoyez {wanted}."
                )
            return await handler(request)

        return checked

    def _wanted(self) -> str | None:
        fields = [field.field_info for field in self.dependant.body_params]
        if not fields:
            return None
        form = any(isinstance(field, params.Form) for field in fields)
        return "multipart/form-data" if form else "application/json"
