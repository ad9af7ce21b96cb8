"""KCB's own small language of who is paid. Pure.

Source: KCB documentation, "Funds transfer"; bank codes of the Central Bank of Kenya.
"""

import re

CURRENCY = "KES"
KCB_CODE = "01"
_bank = re.compile(r"bank:(?:([0-9]{2})/)?([0-9A-Za-z]{4,32})").fullmatch


def account_of(destination: str) -> tuple[str, str] | None:
    """(bank's code, account) of `bank:ACCOUNT`, at KCB, or `bank:CODE/ACCOUNT`; None for others."""
    read = _bank(destination)
    return None if read is None else (read[1] or KCB_CODE, read[2])
