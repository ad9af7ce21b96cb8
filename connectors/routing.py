"""Which gateway a payment goes to: the preferred one, unless it is in trouble. Pure.

A gateway is in trouble while it does not answer: each call that it leaves open, or does not take,
weighs a fifth of what it had left of our trust, each answer gives a fifth back, and time gives back
the rest. A payer's decline is an answer. So traffic leaves a gateway that hangs after four calls,
and some calls in a minute look whether it has come back.
"""

import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from connectors.base import Result

MUCH = 500
"""Trouble, of 1000, from which on another gateway is asked first."""
HALF_LIFE_S = 60.0
_SHARE = 5
_NOT_TAKEN = frozenset({"not_reached", "circuit_open", "provider_busy"})

Reason = Literal["only", "preferred", "others_worse", "preferred_open", "preferred_in_trouble"]


class Health:
    """How one gateway has done of late, in this process; the clock is monotonic, in seconds."""

    def __init__(self, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._trouble, self._at_s = 0, monotonic_s()

    @property
    def trouble(self) -> int:
        """From 0, healthy, to 1000, every recent call failed."""
        halves = (self._monotonic_s() - self._at_s) / HALF_LIFE_S
        return int(self._trouble * 0.5**halves)

    def saw(self, result: Result) -> None:
        """A call has ended so, as far as the guard can tell."""
        now = self.trouble
        if result.outcome == "unknown" or result.failure in _NOT_TAKEN:
            now += (1_000 - now) // _SHARE
        else:
            now -= now // _SHARE
        self._trouble, self._at_s = now, self._monotonic_s()


class Candidate(NamedTuple):
    """A gateway that could take the payment; `is_open`: its breaker lets nothing out."""

    gateway: str
    is_open: bool
    trouble: int


class Choice(NamedTuple):
    """The gateway, and why it is that one: both are journaled."""

    gateway: str
    reason: Reason


def choose(candidates: Sequence[Candidate]) -> Choice:
    """One of them, which come in the order of preference. Raises ValueError for none.

    Where all are in trouble the one that is least so is taken: the call is made, or ends unsent.
    """
    if not candidates:
        raise ValueError("no gateway takes this payment")
    first = candidates[0]
    if len(candidates) == 1:
        return Choice(first.gateway, "only")
    if not first.is_open and first.trouble < MUCH:
        return Choice(first.gateway, "preferred")
    fine = [each for each in candidates if not each.is_open and each.trouble < MUCH]
    best = fine[0] if fine else min(candidates, key=lambda each: (each.is_open, each.trouble))
    if best is first:
        return Choice(first.gateway, "others_worse")
    return Choice(best.gateway, "preferred_open" if first.is_open else "preferred_in_trouble")
