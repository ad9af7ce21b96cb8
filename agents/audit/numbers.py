"""Numbers of tax documents: in a branch one after the other, without a gap, each once.

A branch may be told by a person where its numbers begin; they go on from there.
"""

from collections import defaultdict

from agents.audit.invariants import Findings
from tables.row import Row
from tables.tax_documents import TaxBranch, TaxDocument


class Numbers:
    """The numbers that each record gives; `row` sees its rows, `check` what they come to."""

    def __init__(self, findings: Findings, partition: int) -> None:
        self._findings, self._partition = findings, partition
        self._given: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._branches: dict[tuple[str, str], tuple[TaxBranch | None, TaxBranch]] = {}

    def row(self, before: Row | None, after: Row | None) -> None:
        """A row of the record."""
        if isinstance(after, TaxDocument) and after.status == "declared":
            if not isinstance(before, TaxDocument) or before.status != "declared":
                self._given[after.tenant_id, after.branch].append(after.number)
        elif isinstance(after, TaxBranch):
            known = before if isinstance(before, TaxBranch) else None
            self._branches[after.tenant_id, after.branch] = known, after

    def check(self, seq: int) -> None:
        """The record is over: what was declared since the one before continues its branch."""
        for place in self._given.keys() | self._branches.keys():
            words = self._broken(place)
            if words:
                named = f"branch {place[1]} of {place[0]}: {words}"
                self._findings.breaks("I19", named, self._partition, seq)
        self._findings.checked["I19"] += sum(map(len, self._given.values()))
        self._given.clear()
        self._branches.clear()

    def _broken(self, place: tuple[str, str]) -> str:
        given = sorted(self._given.get(place, ()))
        if place not in self._branches:
            return f"{given} were given and the branch does not know"
        before, after = self._branches[place]
        last = before.number if before is not None else 0
        began = before.began if before is not None else 0
        expected = list(range(last + 1, after.number + 1))
        if after.began != began:  # a person said how far others have come
            given = [number for number in given if number > after.began]
            expected = list(range(after.began + 1, after.number + 1))
        if given == expected:
            return ""
        return f"{given} were given, from {last} to {after.number}"
