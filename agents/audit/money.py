"""The money of a partition, added up again from postings alone: I1, I2 and I5.

I5 here: after every record, the balance rows it wrote are the sums of all postings so far, every
account it posted to has such a row, and what is pending is the sum of the holds that stand. At
the end, control accounts equal the items behind them.
"""

from collections import Counter, defaultdict
from typing import TypeAlias

from agents.accounting import chart
from agents.audit.invariants import Findings
from agents.audit.items import ITEMS
from streams.journal import Batch, Entry
from tables.balances import Balance, Hold
from tables.row import Row

Account: TypeAlias = tuple[str, str, str]
"""(tenant, account, asset)."""


class Money:
    """Debits and credits of every account, and the items that control accounts stand for."""

    def __init__(self, findings: Findings, partition: int) -> None:
        self._findings, self._partition = findings, partition
        self.sums: dict[Account, list[int]] = {}
        """[debits, credits] of each account, minor units."""
        self._pending: defaultdict[Account, list[int]] = defaultdict(lambda: [0, 0])
        self._items: Counter[Account] = Counter()
        self._touched: set[Account] = set()
        self._written: list[Balance] = []
        self._seq = -1

    # -- postings -----------------------------------------------------------------------------

    def post(self, record: Batch) -> None:
        """Add up the postings of the next record."""
        self._seq, count = record.seq, 0
        for entry in record.entries:
            if entry.postings:
                count += 1
                self._entry(entry)
        self._findings.checked["I2"] += count

    def _entry(self, entry: Entry) -> None:
        tenant_id, sums = entry.tenant_id, self.sums
        totals: dict[str, int] = {}
        for posting in entry.postings:
            minor, asset = posting.minor, posting.asset
            totals[asset] = totals.get(asset, 0) + minor
            account = (tenant_id, posting.account, asset)
            both = sums.get(account)
            if both is None:
                both = sums[account] = [0, 0]
            if minor > 0:
                both[0] += minor
            else:
                both[1] -= minor
            self._touched.add(account)
        if not entry.day or (entry.booked and entry.booked <= entry.day):
            words = f"{entry.event_id} of {tenant_id}: of {entry.day!r} in {entry.booked!r}"
            self._breaks("I2", words)
        if len(entry.postings) < 2 or any(totals.values()):
            words = f"{entry.event_id} of {tenant_id}: {len(entry.postings)} legs sum to {totals}"
            self._breaks("I2", words)

    # -- rows ---------------------------------------------------------------------------------

    def row(self, before: Row | None, after: Row | None) -> None:
        """Take over a row that the record changed."""
        kind = type(after or before)
        if kind is Balance:
            if isinstance(after, Balance):
                self._written.append(after)
            else:
                self._breaks("I5", f"the balance {before} is gone")
        elif kind is Hold:
            self._hold(before, -1)
            self._hold(after, 1)
        elif kind in ITEMS:
            self._item(before, -1)
            self._item(after, 1)

    def _hold(self, row: Row | None, sign: int) -> None:
        if isinstance(row, Hold) and row.status == "held":
            pending = self._pending[row.tenant_id, row.account, row.asset]
            pending[0 if row.minor > 0 else 1] += sign * abs(row.minor)

    def _item(self, row: Row | None, sign: int) -> None:
        if row is not None:
            account, asset, minor = ITEMS[type(row)](row)
            self._items[row.tenant_id, account, asset] += sign * minor  # type: ignore[attr-defined]

    def balance(self) -> None:
        """Compare the balance rows of the record with the sums, once all its rows were taken."""
        for row in self._written:
            account = (row.tenant_id, row.account, row.asset)
            posted = self.sums.get(account, [0, 0])
            pending = self._pending.get(account, [0, 0])
            self._touched.discard(account)
            if [row.debits, row.credits] != posted:
                words = f"{account} is {row.debits} - {row.credits}"
                self._breaks("I5", f"{words}, posted are {posted[0]} - {posted[1]}")
            if [row.pending_debits, row.pending_credits] != pending:
                words = f"{account} has {row.pending_debits} - {row.pending_credits} pending"
                self._breaks("I5", f"{words}, its holds are {pending[0]} - {pending[1]}")
        for account in self._touched:
            self._breaks("I5", f"{account} was posted to, and its balance is as before")
        self._findings.checked["I5"] += len(self._written)
        self._written.clear()
        self._touched.clear()

    # -- the end ------------------------------------------------------------------------------

    def tie(self) -> None:
        """Control accounts equal their items, now."""
        controls = {account for account in self.sums if account[1] in chart.CONTROL_ACCOUNTS}
        accounts = controls | set(self._items)
        for account in accounts:
            balance, items = self._balance(account), self._items[account]
            if balance != items:
                self._breaks("I5", f"{account} is {balance}, its items sum to {items}")
        self._findings.checked["I5"] += len(accounts)

    def finish(self) -> None:
        """What must hold of all accounts together."""
        totals: Counter[tuple[str, str]] = Counter()
        for account in self.sums:
            tenant_id, _, asset = account
            totals[tenant_id, asset] += self._balance(account)
        for (tenant_id, asset), minor in totals.items():
            if minor:
                self._breaks("I1", f"the accounts of {tenant_id} sum to {minor} {asset}")
        self._findings.checked["I1"] += len(totals)
        self.tie()

    def _balance(self, account: Account) -> int:
        both = self.sums.get(account)
        return both[0] - both[1] if both else 0

    def _breaks(self, invariant: str, words: str) -> None:
        self._findings.breaks(invariant, words, self._partition, self._seq)
