"""Ways to pay: which gateways serve each, in the order a tenant wants, and what each demands.

Candidates are decided here, from the tenant's choices alone; which of them takes a call is chosen
where it is made, by how they fare, and comes back with the grant and its reason.
"""

from collections.abc import Mapping

from agents.accounting import chart
from agents.effects import Unfit
from connectors import reading
from connectors.buni import words as buni
from connectors.chain.assets import TAKEN
from connectors.mpesa import words as mpesa
from tables.tenants import Tenant

METHODS: Mapping[str, tuple[str, ...]] = {
    "mpesa": ("mpesa",),
    "card": ("stripe", "instant"),
    "paypal": ("paypal",),
    "instant": ("instant",),
    "crypto": ("polygon", "ethereum"),
    "ethereum": ("ethereum",),
    "polygon": ("polygon",),
}
"""Method of a confirmation to the gateways that serve it, the first preferred."""
PAYING: tuple[str, ...] = ("instant", "mpesa", "paypal", "stripe", "buni")
"""Gateways that pay out; the first unless a tenant chooses."""
PAYOUT = "payout"
"""Under this name a tenant chooses who pays out."""
HOLDING = frozenset({"instant", "stripe"})
"""Gateways that can hold money before they take it."""
BANKS = frozenset({"buni", "jenga"})
"""Gateways that are banks: what comes by them has arrived, and is on their statements."""
CHAINS = frozenset(TAKEN)
"""Gateways that are chains: their payers pay an exact amount, which a watch of the chain tells."""
TOLD_BY_CODE = frozenset({"mpesa"})
"""Gateways whose money is told with the reference that its payer was shown."""
FLOATS = frozenset({chart.gateway("mpesa", "utility")})
"""Accounts of gateways that only pay out: what is in them stays there until it is used up."""


ANCHOR, ANCHORING = "anchor", ("polygon", "ethereum")
"""Under this name a tenant chooses the chain to which its settlements' roots are written."""


def choices() -> Mapping[str, tuple[str, ...]]:
    """What a tenant may order as it likes, by name."""
    return {**METHODS, PAYOUT: PAYING, ANCHOR: ANCHORING}


def gateways_of(tenant: Tenant, method: str, *, held: bool) -> tuple[str, ...]:
    """Gateways that may take a payment by this method; empty if there are none.

    Raises Unfit if the method is not known, or cannot hold money when it must.
    """
    if method not in METHODS:
        raise Unfit("method_unknown", method[:32])
    wanted = tenant.settings.gateways.get(method, METHODS[method])
    found = tuple(each for each in wanted if not held or each in HOLDING)
    if not found:
        raise Unfit("capture_unsupported", "this method takes money at once")
    return found


def paying(tenant: Tenant, wanted: str = "") -> str:
    """The gateway that pays out. Raises Unfit for one that does not."""
    gateway = wanted or tenant.settings.gateways.get(PAYOUT, PAYING)[0]
    if gateway not in PAYING:
        raise Unfit("provider_unknown", f"known are {', '.join(PAYING)}")
    return gateway


def anchoring(tenant: Tenant) -> str:
    """The chain to which roots are written."""
    return tenant.settings.gateways.get(ANCHOR, ANCHORING)[0]


def require_payable(method: str, asset: str, minor: int, phone: str) -> None:
    """Raise Unfit if this can never be asked of the method's payer: by name, before any attempt.

    M-Pesa moves whole shillings, 1 to 250,000 at a time; nothing is rounded.
    """
    chains = CHAINS & set(METHODS.get(method, ()))
    if chains and not any(asset in TAKEN[chain] for chain in chains):
        raise Unfit("currency_unsupported", "a chain moves its own currency, and tokens")
    if method != "mpesa":
        return
    if asset != mpesa.CURRENCY:
        raise Unfit("currency_unsupported", "M-Pesa moves Kenyan shillings")
    try:
        mpesa.shillings(minor)
        mpesa.phone_of(phone)
    except reading.Unfit as error:
        raise Unfit(error.reason, _WORDS.get(error.reason, "")) from None


def require_payable_to(gateway: str, asset: str, minor: int, destination: str) -> None:
    """Raise Unfit if a gateway can never pay this out, by name and before anything is set aside.

    M-Pesa pays a telephone, a till (`till:NUMBER`) or a paybill (`paybill:NUMBER/ACCOUNT`); KCB an
    account of its own (`bank:ACCOUNT`) or of another bank (`bank:CODE/ACCOUNT`).
    """
    if gateway == "buni":
        _require_payable_by_bank(asset, destination)
        return
    if gateway != "mpesa":
        return
    if asset != mpesa.CURRENCY:
        raise Unfit("currency_unsupported", "M-Pesa moves Kenyan shillings")
    try:
        mpesa.shillings(minor)
        if mpesa.business_of(destination) is None:
            mpesa.phone_of(destination)
    except reading.Unfit as error:
        raise Unfit(error.reason, _WORDS.get(error.reason, "")) from None


def _require_payable_by_bank(asset: str, destination: str) -> None:
    if asset != buni.CURRENCY:
        raise Unfit("currency_unsupported", "KCB's interface moves Kenyan shillings")
    if buni.account_of(destination) is None:
        raise Unfit("destination_unfit", "bank:ACCOUNT, or bank:CODE/ACCOUNT of another bank")


_WORDS: Mapping[str, str] = {
    "whole_shillings_only": "M-Pesa moves whole shillings; pay the cents in another way",
    "amount_out_of_bounds": "M-Pesa moves 1 to 250,000 shillings at a time",
    "destination_unfit": "till:NUMBER, or paybill:NUMBER/ACCOUNT",
    "phone_unfit": "a Kenyan mobile number like +254712345678",
}


def account_of(gateway: str, operation: str, asset: str = "") -> str:
    """The ledger's account of a gateway's money that an operation moves, in this currency.

    M-Pesa keeps what is collected apart from what pays out (Daraja documentation, "B2C").
    """
    if gateway in BANKS:
        return chart.bank(gateway)
    if gateway in CHAINS:
        return chart.crypto(gateway, asset)
    utility = gateway == "mpesa" and operation == PAYOUT
    return chart.gateway(gateway, "utility" if utility else "collection")
