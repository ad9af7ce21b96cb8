"""Tax documents, as the tax authority is told of them, and the branches that number them.

States of a document: waiting → submitted → declared | rejected (→ waiting, once it is mended);
submitted → doubted → declared | rejected, by a person; waiting | rejected → cancelled. Guarantees:
a branch's numbers have no gaps, and no number is two documents'; one document of a branch is on its
way at a time, in their order. Constraints: amount, lines and original never change; what was
declared has its number for ever, and is corrected by a credit note.
"""

import msgspec

from tables.row import Row, register


class TaxLine(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line: `total` contains `tax`, both in minor units.

    `treatment` is standard, zero, exempt or non_vat.
    """

    description: str
    quantity: str
    total: int
    tax: int
    treatment: str


@register
class TaxDocument(Row, frozen=True):
    """A sale or a credit note; amounts in minor units of `asset`.

    A credit note names its `original_id`, which remembers what was `credited` of it, and in
    `again_id` the sale that told once more what was credited in vain. `number` is 0 until it is
    submitted, and again once it was rejected; `numbered_ms` is when it got it. `doubted` is one of
    which an attempt may have been recorded. `failure` and `detail` are the authority's last word;
    `receipt_number`, `signature`, `signed_at` (RFC 3339) and `qr` what it signed.
    """

    KIND = "td"
    KEY = ("tenant_id", "document_id")

    tenant_id: str
    document_id: str
    kind: str  # sale | credit_note
    branch: str
    asset: str
    total: int
    tax: int
    lines: tuple[TaxLine, ...]
    payment: str
    invoice_id: str = ""
    order_id: str = ""
    outlet_id: str = ""
    original_id: str = ""
    customer_id: str = ""
    customer_name: str = ""
    customer_pin: str = ""
    reason: str = ""
    day: str = ""
    issued_ms: int = 0
    status: str = "waiting"
    number: int = 0
    call_id: str = ""
    doubted: bool = False
    credited: int = 0
    failure: str = ""
    detail: str = ""
    receipt_number: str = ""
    signature: str = ""
    signed_at: str = ""
    qr: str = ""
    created_ms: int = 0
    version: int = 1
    again_id: str = ""
    numbered_ms: int = 0


@register
class TaxBranch(Row, frozen=True):
    """A branch: `number` is the last that was recorded, `document_id` what is on its way.

    `began` is the last number that was recorded before us, as a person said; `ours` the last that
    we had recorded ourselves when it was said.

    Documents wait at the places `first` up to `last`, the last one taken. After an attempt that
    came to nothing the next one is at `retry_ms` of log time; 0 while a call is under way.
    """

    KIND = "tb"
    KEY = ("tenant_id", "branch")

    tenant_id: str
    branch: str
    number: int = 0
    began: int = 0
    document_id: str = ""
    first: int = 1
    last: int = 0
    attempts: int = 0
    retry_ms: int = 0
    version: int = 1
    ours: int = 0

    @property
    def waiting(self) -> int:
        """How many documents wait behind the one that is on its way."""
        return self.last - self.first + 1


@register
class TaxWaiting(Row, frozen=True):
    """A document's place in the queue of its branch."""

    KIND = "tw"
    KEY = ("tenant_id", "branch", "place")

    tenant_id: str
    branch: str
    place: str
    document_id: str


@register
class TaxReturn(Row, frozen=True):
    """What is told of one tax for one month: what was declared in it, and what was filed.

    States: open → filed → acknowledged. `gross` and `taxes` are sums of the declared documents by
    treatment, minor units, credit notes taken off; what is declared later adds to them.
    `undeclared` counts the month's documents that wait, are on their way or were rejected. `boxes`
    are as they were filed.
    """

    KIND = "tr"
    KEY = ("tenant_id", "return_id")

    tenant_id: str
    return_id: str  # vat-2026-03
    tax: str
    period: str
    asset: str
    status: str = "open"
    gross: dict[str, int] = {}
    taxes: dict[str, int] = {}
    documents: int = 0
    boxes: dict[str, str] = {}
    acknowledgement: str = ""
    filed_by: str = ""
    filed_day: str = ""
    created_ms: int = 0
    version: int = 1
    undeclared: int = 0


@register
class TaxCertificate(Row, frozen=True):
    """A certificate of the tax authority: of tax that a customer withheld, or of compliance.

    One number of a kind is kept once. `minor` is what it certifies, of `asset`.
    """

    KIND = "tc"
    KEY = ("tenant_id", "certificate_id")

    tenant_id: str
    certificate_id: str
    kind: str
    number: str
    asset: str
    minor: int
    issued_day: str
    valid_until: str = ""
    party_id: str = ""
    invoice_id: str = ""
    noted_by: str = ""
    created_ms: int = 0
    version: int = 1
