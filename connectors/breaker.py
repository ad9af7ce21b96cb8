"""The circuit breaker: spares a provider that does not answer, and ourselves the waiting.

closed → (5 failures in a row) → open → (60 s) → half-open: one probe → closed, or open again.
"""

import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]
FAILURES_TO_OPEN = 5
OPEN_S = 60.0


class Breaker:
    """One breaker per gateway and process; the clock is monotonic, in seconds.

    Whoever is admitted reports exactly one of `succeeded`, `failed` and `abandoned`.
    """

    def __init__(self, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._failures = 0
        self._opened_s: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        """Where it stands now."""
        if self._opened_s is None:
            return "closed"
        return "half_open" if self._monotonic_s() - self._opened_s >= OPEN_S else "open"

    def admit(self) -> bool:
        """Whether a call may go out; half-open admits one probe at a time."""
        state = self.state
        if state == "half_open" and not self._probing:
            self._probing = True
            return True
        return state == "closed"

    def succeeded(self) -> None:
        """The provider answered, whatever it said."""
        self._failures = 0
        self._opened_s = None
        self._probing = False

    def failed(self) -> None:
        """The provider did not answer, or answered with a server error."""
        self._failures += 1
        if self._probing or (self._opened_s is None and self._failures >= FAILURES_TO_OPEN):
            self._opened_s = self._monotonic_s()
        self._probing = False

    def abandoned(self) -> None:
        """The call was given up from our side and says nothing of the provider."""
        self._probing = False
