"""Bodies of commands, in the words of the integration guide; the specification is made of these."""

from typing import Annotated

from pydantic import Field, StringConstraints

from web.bodies import AmountText, Body

Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3,12}$")]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=40)]
MetadataValue = Annotated[str, StringConstraints(max_length=500)]


class CreateIntentBody(Body):
    """Wish to be paid: an amount, or an order or invoice whose outstanding amount it is."""

    amount: AmountText | None = None
    currency: Currency | None = Field(None, description="Default: the invoice's or the tenant's.")
    order_id: Id | None = None
    invoice_id: Id | None = None
    customer_id: Id | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=50)] | None = None


class ConfirmBody(Body):
    """Start an attempt by a method; `cash` says that a person took the money."""

    payment_id: Id
    method: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{6,15}$")] | None = None
    provider_reference: Id | None = None
