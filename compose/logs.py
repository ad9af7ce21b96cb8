"""Logs: one JSON object a line, secrets redacted, the standard library's loggers included."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog

_SECRET_NAMES = re.compile(
    r"(?i)authorization|secret|passkey|password|consumer_key|private_key|master_key|signature"
    r"|token|msisdn|^pan$|dsn|cookie|api[_-]?key|phone"
)
_SECRET_VALUES = re.compile(
    r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.)[A-Za-z0-9_-]+"
    r"|(://[^:/@\s]+:)[^@\s]+(?=@)"
    r"|(trs_(?:live|test)_[0-9a-f]{16}\.)[A-Za-z0-9_.-]+"
    r"|(whsec_)[A-Za-z0-9+/=]+"
)
REDACTED = "[redacted]"


def redact(_logger: object, _method: str, event: Any) -> Any:
    """Replace what looks like a secret, by name or by value, at any depth."""
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name):
        return REDACTED
    if isinstance(value, str):
        return _SECRET_VALUES.sub(lambda m: next(g for g in m.groups() if g) + REDACTED, value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", item) for item in value]
    return value


def configure_logs(level: str = "info") -> None:
    """Send structlog's and the standard library's records to standard error as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Libraries that log payloads or every request at lower levels.
    for name in ("aiokafka", "faust", "mode", "nats", "aiohttp.access"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
