"""The end of the demo's month: banks, gateways, drawers and the tax authority say what we say, and
a settlement is proved by a chain.

The bank's statement of each tenant is written by tests/model, from the script alone, with lines
that nobody can explain; KRA's own book is the witness of our numbers.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from compose.calling import Caller
from compose.sandbox import Sandbox
from connectors.chain.proof import BadProof, check
from connectors.chain.signing import address_of
from connectors.kra.fake import FakeKra
from streams.money import ENCODER
from tests.model.month import SETTINGS
from tests.model.month_books import BANK, GATEWAY, BankLine, MonthBooks

DECLARED_WITHIN_S, POLL_S = 180.0, 0.5
IN_TRANSIT, FEES = "cash:in_transit", "fees:bank"
COLUMNS = "day=Date&text=Text&amount=Amount&balance=Balance"


@dataclass
class Closing:
    """What one tenant's month ends with; `differences` are what does not agree, a line each."""

    lines: int = 0
    matched: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    exceptions: int = 0
    settled: int = 0
    documents: int = 0
    proof: str = ""
    differences: list[str] = field(default_factory=list)


async def close(
    books: MonthBooks, callers: dict[str, Caller], sandbox: Sandbox, year: int
) -> dict[str, Closing]:
    """Close the month of every tenant."""
    closed = await asyncio.gather(
        *(_close(caller, books.statements[name], sandbox, year) for name, caller in callers.items())
    )
    return dict(zip(callers, closed, strict=True))


async def _close(caller: Caller, lines: list[BankLine], sandbox: Sandbox, year: int) -> Closing:
    found = Closing(lines=len(lines))
    await _reconciled(caller, lines, year, found)
    await _resolved(caller)
    await _ties(caller, lines, found)
    if SETTINGS[caller.tenant_id].get("etims"):
        await _declared(caller, sandbox.kra, found)
    await _proved(caller, address_of(sandbox.chain_key), found)
    found.differences = [f"{caller.tenant_id}: {words}" for words in found.differences]
    return found


# -- the bank -------------------------------------------------------------------------------------


def _csv(lines: list[BankLine], year: int) -> bytes:
    rows, balance = ["Date,Text,Amount,Balance"], 0
    for line in lines:
        balance += line.minor
        rows.append(f"{_date(line, year)},{line.text},{_text(line.minor)},{_text(balance)}")
    return ("\n".join(rows) + "\n").encode()


def _date(line: BankLine, year: int) -> str:
    return f"{year}-01-{line.day:02d}" if line.day < 32 else f"{year}-02-01"


def _text(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def _minor(text: str) -> int:
    return int(text.replace(".", ""))


async def _reconciled(caller: Caller, lines: list[BankLine], year: int, found: Closing) -> None:
    """The statement is read: all but what was planted is matched, by a named rule."""
    await caller.send(f"statements?account={BANK}&currency=KES&{COLUMNS}", _csv(lines, year))
    rows = await _read(caller, len(lines))
    alone = [row for row in rows if row["status"] == "open" or row["rule"] == "unmatched_credit"]
    found.rules = dict(Counter(row["rule"] for row in rows if row not in alone))
    found.matched, found.exceptions = len(rows) - len(alone), len(alone)
    wanted = Counter((_date(line, year), line.minor) for line in lines if line.planted)
    is_so = Counter((row["day"], _minor(row["amount"])) for row in alone)
    found.differences += [
        f"the bank's line of {day}, {_text(minor)}: {is_so[day, minor]} unexplained,"
        f" {wanted[day, minor]} planted"
        for day, minor in sorted({*wanted, *is_so})
        if wanted[day, minor] != is_so[day, minor]
    ]


async def _read(caller: Caller, count: int) -> list[dict[str, Any]]:
    """All lines of the statement, once the lists have them."""

    async def there() -> list[dict[str, Any]] | None:
        rows = await rows_of(caller, f"statement-lines?account={BANK}")
        return rows if len(rows) >= count else None

    return await caller.until(there, "the statement's lines are not listed")


async def rows_of(caller: Caller, path: str) -> list[dict[str, Any]]:
    """All rows of a list."""
    found, cursor = list[dict[str, Any]](), ""
    while True:
        also = "&" if "?" in path else "?"
        page = await caller.get(f"{path}{also}limit=100{cursor and f'&cursor={cursor}'}")
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


async def _resolved(caller: Caller) -> None:
    """Finance says what left: floats were taken for the tills, the rest is the bank's fee."""
    for row in await rows_of(caller, f"statement-lines?account={BANK}&status=open"):
        account = IN_TRANSIT if row["text"].startswith("float") else FEES
        await caller.done(f"statement-lines/{row['line_id']}/resolve", account=account)


# -- what must tie --------------------------------------------------------------------------------


async def _ties(caller: Caller, lines: list[BankLine], found: Closing) -> None:
    """To the cent: nothing is at the gateway or on its way, and the bank is worth its statement
    and what we have posted that no statement shows.
    """
    rows = await rows_of(caller, "settlements")
    found.settled = sum(row["status"] == "settled" for row in rows)
    found.differences += [
        f"the settlement of {row['account']} on {row['day']} over {row['net']} is {row['status']}"
        for row in rows
        if row["status"] != "settled" and _minor(row["net"])
    ]
    balances = await caller.balances()
    items = await rows_of(caller, "bank-items?account=" + BANK + "&status=open")
    worth = sum(line.minor for line in lines) + sum(_minor(row["amount"]) for row in items)
    for account, wanted in ((GATEWAY, 0), (IN_TRANSIT, 0), (BANK, worth)):
        is_so = _minor(balances.get((account, "KES"), "0.00"))
        if is_so != wanted:
            found.differences.append(f"{account} is {_text(is_so)}, and not {_text(wanted)}")


# -- a chain --------------------------------------------------------------------------------------


async def _proved(caller: Caller, signer: str, found: Closing) -> None:
    """The newest settlement of the gateway: its root is on a chain, and its line's file holds by
    itself, as `treasury proof verify` finds without a network.
    """
    rows = [row for row in await rows_of(caller, "settlements") if row["account"] == GATEWAY]
    if not rows:
        return
    settlement_id = max(rows, key=lambda row: str(row["day"]))["settlement_id"]
    path = f"settlements/{settlement_id}/proof"
    await caller.done(path)

    async def anchored() -> bool:
        return bool((await caller.get(path))["status"] == "anchored")

    await caller.until(anchored, "the root is not on the chain")
    file = ENCODER.encode(await caller.get(f"{path}/{settlement_id}"))
    try:
        checked = check(file)
    except BadProof as error:
        found.differences.append(f"the proof of settlement {settlement_id}: {error}")
        return
    found.proof = f"holds, {checked.tx_hash[:10]}…"
    if checked.signer != signer or checked.leaf["id"] != settlement_id:
        found.differences.append(f"the proof of settlement {settlement_id} is of something else")


# -- the tax authority ----------------------------------------------------------------------------


async def _declared(caller: Caller, kra: FakeKra, found: Closing) -> None:
    """Every document is in KRA's book under our number, and its numbers have no gap."""
    rows = await _documents(caller)
    found.documents = len(rows)
    branches = set(SETTINGS[caller.tenant_id]["etims"].values())
    ours = Counter((row["branch"], row["number"], row["document_id"]) for row in rows)
    theirs = Counter(
        (branch, each.number, each.trader_number)
        for branch in branches
        for each in kra.documents[branch]
    )
    found.differences += [
        f"document {document_id} is number {number} of branch {branch} in one book only"
        for branch, number, document_id in sorted((ours - theirs) + (theirs - ours))
    ]
    for branch in sorted(branches):
        numbers = sorted(row["number"] for row in rows if row["branch"] == branch)
        if numbers != list(range(1, len(numbers) + 1)):
            found.differences.append(f"the numbers of branch {branch} have a gap: {numbers}")


async def _documents(caller: Caller) -> list[dict[str, Any]]:
    """All documents, once all are declared; as they are after some time."""
    ends = time.monotonic() + DECLARED_WITHIN_S
    while True:
        rows = await rows_of(caller, "tax-documents")
        if all(row["status"] == "declared" for row in rows) or time.monotonic() > ends:
            return rows
        await asyncio.sleep(POLL_S)
