"""What the roles count for Prometheus; labels are outcomes and gateways, never tenants."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
"""Everything this process shows at /metrics; the web layer adds its own."""

DECIDED = Counter(
    "treasury_entries_total", "Committed entries by status.", ("status",), registry=REGISTRY
)
BRIDGED = Counter(
    "treasury_bridge_messages_total",
    "Messages taken from NATS: carried, or refused at the door (they become dead letters).",
    ("outcome",),
    registry=REGISTRY,
)
RELAYED = Counter(
    "treasury_relay_events_total",
    "Outbound events published, and attempts that failed (they are repeated).",
    ("outcome",),
    registry=REGISTRY,
)
CALLED = Counter(
    "treasury_gateway_calls_total",
    "Gateway calls by their outcome; an unknown one may be followed by another.",
    ("gateway", "operation", "outcome"),
    registry=REGISTRY,
)
PROVIDER_S = Histogram(
    "treasury_provider_request_duration_seconds",
    "Time of a request to a provider: answered (whatever it said), refused, busy, unclear (it may"
    " have been done), not_sent, or kept back by the open circuit.",
    ("gateway", "verb", "outcome"),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)


def observe_provider(gateway: str, verb: str, outcome: str, seconds: float) -> None:
    """Count one request to a provider."""
    PROVIDER_S.labels(gateway, verb, outcome).observe(seconds)


KEY_AGE = Gauge(
    "treasury_oldest_data_key_age_seconds",
    "Age of the oldest key that a secret is sealed under; 0 where no secrets are.",
    registry=REGISTRY,
)
WEBHOOKS = Counter(
    "treasury_webhook_attempts_total",
    "Attempts to hand an event to a tenant's endpoint: delivered, or failed (they are repeated).",
    ("outcome",),
    registry=REGISTRY,
)
FOLLOWED = Counter(
    "treasury_chain_rounds_total",
    "Looks at a chain for a tenant's wallets: followed, failed (the node said nothing that can be"
    " used), or moved_by_another worker.",
    ("chain", "outcome"),
    registry=REGISTRY,
)
MESSAGES = Counter(
    "treasury_messages_total",
    "Messages to payers: accepted by the notifications service, repeated later, parked (somebody"
    " has to look), withdrawn (nothing left to say), unreadable; and reported as sent or failed.",
    ("outcome",),
    registry=REGISTRY,
)
