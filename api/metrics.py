"""Prometheus metrics: requests by route and status, how long they take, jobs by state."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from api.server import Server


class _Jobs(Collector):
    """Jobs by state, read when asked."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("memoire_jobs", "Jobs by state", labels=["state"])
        for state, count in self._server.jobs.counts().items():
            family.add_metric([state], count)
        yield family


def measured(app: FastAPI) -> None:
    """Count and time every request of the application, under its route's template: no identifier becomes a label."""
    registry = CollectorRegistry()
    registry.register(_Jobs(app.state.server))
    count = Counter("memoire_requests", "Requests", ["method", "route", "status"], registry=registry)
    seconds = Histogram("memoire_request_seconds", "Time to answer", ["method", "route"], registry=registry)
    app.state.registry = registry

    @app.middleware("http")
    async def timed(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "none")
        count.labels(request.method, route, response.status_code).inc()
        seconds.labels(request.method, route).observe(time.perf_counter() - started)
        return response


def page(app: FastAPI) -> Response:
    """The metrics as Prometheus reads them."""
    return Response(generate_latest(app.state.registry), media_type=CONTENT_TYPE_LATEST)
