"""What dispatch tells of gateway calls, and what each kind of call means to what it is about.

`calls` has the life of a call, `collect`, `payout` and `refund` one operation each; `told` is what
gateways say by themselves, `onchain` what chains show.
"""

from agents.gateways import calls, clock, onchain, told

__all__ = ["calls", "clock", "onchain", "told"]
