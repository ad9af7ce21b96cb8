"""The invariants by name, and what a check found: violations as values, and how much it saw."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

INVARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "I1": "the accounts of a tenant sum to zero in every asset",
        "I2": "postings of an entry balance in every asset, in two legs or more",
        "I3": "every accepted event is decided exactly once",
        "I4": "no entry without the bytes of an accepted event",
        "I5": "balances are the sums of their postings, wherever they are kept or shown",
        "I6": "every emitted event is published, always with the same bytes",
        "I7": "ids of outbound events and calls follow from what caused them",
        "I8": "folding the raw envelopes again gives the same rows",
        "I9": "folding the raw envelopes again gives the same entries and no other",
        "I10": "positions never go back and continue exactly",
        "I11": "nothing of a tenant is shown with another tenant's",
        "I12": "invoices, payments, calls, holds and cases take legal steps only",
        "I13": "the journal has no gap; hashes and digests continue",
        "I14": "one Idempotency-Key has one effect and one answer",
        "I15": "a call has at most one effect at its gateway",
        "I16": "a worker stops within 30 s of SIGTERM and is ready within 120 s of its start",
        "I17": "once quiet, nothing is held or owed that was not before",
        "I18": "amounts keep their text",
        "I19": "tax documents of a branch are numbered without a gap",
    }
)

SHOWN = 10
"""Violations of one invariant that are spelled out; the rest is counted."""


class Violation(msgspec.Struct, frozen=True):
    """An invariant that is broken, where (-1: no partition or record in particular), in words."""

    invariant: str
    words: str
    partition: int = -1
    seq: int = -1

    def __str__(self) -> str:
        where = f" (partition {self.partition} seq {self.seq})" if self.partition >= 0 else ""
        return f"{self.invariant}: {self.words}{where}"


class Findings:
    """What checks found: `checked` things by invariant, `broken` ones, some of them in words."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.violations: list[Violation] = []

    def breaks(self, invariant: str, words: str, partition: int = -1, seq: int = -1) -> None:
        """Note a violation."""
        self.broken[invariant] += 1
        if self.broken[invariant] <= SHOWN:
            self.violations.append(Violation(invariant, words[:500], partition, seq))

    def add(self, other: "Findings") -> None:
        """Take over what another check found."""
        self.checked += other.checked
        for violation in other.violations:
            left = SHOWN - sum(v.invariant == violation.invariant for v in self.violations)
            if left > 0:
                self.violations.append(violation)
        self.broken += other.broken
