"""Tax documents as journaled calls say them, and the fake that tests hold the connector against."""

from typing import Any

import msgspec

STANDARD = {
    "description": "Lunch",
    "quantity": "2",
    "total": "1160.00",
    "tax": "160.00",
    "treatment": "standard",
}


def sale(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A sale of one line; with other `lines`, total and tax are theirs."""
    said = {
        "document_id": f"doc-{number}",
        "kind": "sale",
        "number": number,
        "original_number": 0,
        "branch": "00",
        "issued_at": "2026-03-01T09:30:05Z",
        "customer_name": "",
        "customer_pin": "",
        "payment": "cash",
        "currency": "KES",
        "total": "1160.00",
        "tax": "160.00",
        "trader_name": "Demo Cafe",
        "reason": "",
        "lines": [STANDARD],
    }
    return said | changes


def credit(number: int, original: int, **changes: Any) -> dict[str, Any]:
    """A credit note about an earlier number."""
    about = {"kind": "credit_note", "original_number": original, "reason": "came back"}
    return sale(number, **about, **changes)


def encoded(said: dict[str, Any]) -> bytes:
    return msgspec.json.encode(said)
