"""What Stripe tells in its webhooks: signed events about objects that bear our call's id. Pure."""

from connectors.callbacks import Callback, Deposit, Disputed, NotBelieved, Report
from connectors.reading import Unreadable
from connectors.stripe import translate
from connectors.stripe.config import Config
from connectors.stripe.signature import BadSignature, age_of

HEADER = "stripe-signature"


def heard(config: Config, callback: Callback) -> Report | Deposit | Disputed | None:
    """What one event says; None for one about nothing of ours. Raises `NotBelieved`.

    Events come in any order, and more than once, and only a payment that was made stays so: a
    declined one may be tried again, refunds and payouts may come back. All else is a reason to ask
    and no more, and so is what is old. A dispute, and an invoice that Stripe has collected, count
    however old their events are: they are never asked for.
    """
    header = callback.headers.get(HEADER, "")
    now_s = int(callback.at.timestamp())
    try:
        age = age_of(header, callback.body, config.webhook_secrets, now_s)
        told = translate.event_of(callback.body)
        dispute = translate.dispute_of(callback.body)
        deposit = translate.deposit_of(callback.body)
    except (BadSignature, Unreadable) as error:
        raise NotBelieved(str(error)) from None
    if told.live != config.live:
        raise NotBelieved("of the other mode")
    if dispute is not None or deposit is not None:
        return dispute or deposit
    if told.kind == "other" or not told.call_id:
        return None
    is_final = told.kind == "payment_intent" and told.result.outcome == "succeeded"
    ask = "old" if age == "old" else "" if is_final else "not_final"
    return Report(told.event_id, told.call_id, told.subject, told.result, ask)
