"""How often a tenant may ask: a bucket of tokens for each, in this process alone.

A tenant behind a loop gone wild gets 429 and a time to come back; its neighbours notice nothing.
"""

import math
import time
from collections.abc import Callable

from aiohttp import web

from web.problems import Problem

BUCKETS_MAX = 10_000


class Rates:
    """`per_s` requests a second and `burst` at once for each tenant; 0 a second is no limit."""

    def __init__(
        self, per_s: int, burst: int, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s, self._burst, self._monotonic_s = per_s, max(burst, 1), monotonic_s
        self._full_at: dict[str, float] = {}  # when a tenant's bucket will be full again

    def take(self, tenant_id: str) -> None:
        """Count a request. Raises `Problem` 429 when the tenant has none left."""
        if not self._per_s:
            return
        now_s = self._monotonic_s()
        full_at = max(self._full_at.get(tenant_id, 0.0), now_s) + 1 / self._per_s
        wait_s = full_at - now_s - self._burst / self._per_s
        if wait_s > 1e-9:
            raise Problem(
                429,
                "too-many-requests",
                "The tenant asks more often than it may.",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        if len(self._full_at) >= BUCKETS_MAX:
            self._full_at = {name: at for name, at in self._full_at.items() if at > now_s}
        self._full_at[tenant_id] = full_at


RATES = web.AppKey("rates", Rates)
