"""What the HTTP side counts; labels hold methods, route patterns, statuses and codes only, never a person."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class HttpMetrics:
    """Counters on the registry that `/metrics` shows."""

    def __init__(self, registry: CollectorRegistry, *, waiting: Callable[[], int]) -> None:
        self.requests = Counter(
            "signoff_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "signoff_http_request_seconds",
            "From the request's head to the end of the answer, waits included.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.problems = Counter(
            "signoff_http_problems", "Error documents sent, by code.", ["code"], registry=registry
        )
        self.proposals = Counter(
            "signoff_actions_proposed", "Actions stored, by first status.", ["status"], registry=registry
        )
        self.redemptions = Counter(
            "signoff_grants_redeemed", "Redemptions asked for, by result.", ["result"], registry=registry
        )
        Gauge("signoff_http_waiting", "Requests waiting for a decision.", registry=registry).set_function(
            waiting
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One more answer; methods, routes and statuses are few, so their counters are found once."""
        found = self._children.get((method, route, status))
        if found is None:
            found = self.requests.labels(method, route, str(status)), self.seconds.labels(method, route)
            self._children[method, route, status] = found
        counter, histogram = found
        counter.inc()
        histogram.observe(seconds)
