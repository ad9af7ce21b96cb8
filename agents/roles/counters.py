"""What the roles count for Prometheus; labels are outcomes and gateways, never tenants."""

from prometheus_client import CollectorRegistry, Counter, Gauge

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
    "Gateway calls by their final outcome.",
    ("gateway", "outcome"),
    registry=REGISTRY,
)
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
