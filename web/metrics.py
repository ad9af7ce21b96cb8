"""Numbers of the web layer for Prometheus; labels are route templates, never ids or tenants."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
UNMATCHED = "unmatched"


class Metrics:
    """Registers and counts; `registry` is what /metrics shows and other parts may add to."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._requests = Histogram(
            "treasury_http_request_duration_seconds",
            "Time from a request's head to its response.",
            ("method", "route", "status"),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._forwarded = Counter(
            "treasury_http_forwarded_total",
            "Requests handed to the worker that owns the tenant's partition.",
            ("outcome",),
            registry=self.registry,
        )

        self._callbacks = Counter(
            "treasury_callbacks_total",
            "Callbacks of gateways: taken, of_no_concern, refused; or at an address that is not"
            " ours, or from_elsewhere.",
            ("gateway", "outcome"),
            registry=self.registry,
        )

    def served(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a response under its status class."""
        known = method if route != UNMATCHED else "any"
        self._requests.labels(known, route, f"{status // 100}xx").observe(duration_s)

    def forwarded(self, outcome: str) -> None:
        """Count a forward: answered, unreachable or unknown; a stream that broke off: ended."""
        self._forwarded.labels(outcome).inc()

    def called_back(self, gateway: str, outcome: str) -> None:
        """Count a callback, by what became of it."""
        self._callbacks.labels(gateway, outcome).inc()
