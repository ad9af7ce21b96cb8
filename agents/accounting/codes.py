"""Short codes that payers see or type: the account number at a paybill, a payment's on a telephone.

Crockford's base 32, which has no letter that looks like a digit: eight characters for an attempt,
more where a tenant has used the shorter one before; twelve for an invoice.
"""

import hashlib

from agents.registry import View
from tables.payments import PayCode

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTHS = (8, 10, 12)
_SEEN_AS = str.maketrans("OIL", "011")


def code_of(tenant_id: str, seed: str) -> str:
    """Twelve characters of this seed: 60 bits, which no two of a tenant's seeds share."""
    number = int.from_bytes(hashlib.sha256(f"{tenant_id}\x00{seed}".encode()).digest(), "big")
    return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in range(max(_LENGTHS)))


def code_for(view: View, tenant_id: str, seed: str) -> str:
    """A code that the tenant has not used; the same seed gives the same one, as long as it is free.

    Raises ValueError if all are taken, which 2^60 keep from happening.
    """
    characters = code_of(tenant_id, seed)
    for length in _LENGTHS:
        if view.row(PayCode, tenant_id, characters[:length]) is None:
            return characters[:length]
    raise ValueError("every code of this seed is taken")


def meant(text: str) -> str:
    """A code as it was probably meant, from what somebody typed: upper case, O for 0, spaces."""
    kept = "".join(char for char in text.upper() if char.isascii() and char.isalnum())
    return kept.translate(_SEEN_AS)
