"""What the fake Daraja keeps: pushes, payouts, faults to come, and a certificate of its own."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

RESULTS = {
    "01": 1,
    "17": 17,
    "19": 1019,
    "25": 1025,
    "32": 1032,
    "37": 1037,
    "41": 2001,
    "98": 1037,
}
WORDS: dict[int | str, str] = {
    0: "The service request is processed successfully.",
    1: "The balance is insufficient for the transaction.",
    17: "System internal error: rule limited.",
    1019: "Transaction has expired.",
    1025: "An error occurred while sending a push request.",
    1032: "Request cancelled by user.",
    1037: "DS timeout user cannot be reached.",
    2001: "The initiator information is invalid.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The original transaction is not found.",
}


@dataclass
class Fault:
    """What becomes of one request: an answer, after the work is done or instead of it, or none."""

    status: int = 0
    code: str = ""
    message: str = ""
    body: str = ""
    after: bool = False
    delay_s: float = 0.0
    drop: bool = False


@dataclass
class Push:
    """An STK push as M-Pesa keeps it."""

    merchant_id: str
    checkout_id: str
    phone: str
    amount: int
    reference: str
    callback_url: str
    result: int | None
    receipt: str = ""


@dataclass
class Paid:
    """Money that came to the short code, with a prompt or without."""

    receipt: str
    amount: int
    bill_reference: str
    phone: str


@dataclass
class Payout:
    """A payout as M-Pesa keeps it."""

    conversation_id: str
    originator_id: str
    to: str
    amount: int
    result_url: str
    result: int
    receipt: str = ""


@dataclass
class Reversal:
    """A reversal as M-Pesa keeps it."""

    conversation_id: str
    receipt_reversed: str
    amount: int
    result_url: str
    result: int | str
    receipt: str = ""


@dataclass
class Book:
    """What truly happened: whoever calls is held against this."""

    pushes: dict[str, Push] = field(default_factory=dict)
    deposits: list[Paid] = field(default_factory=list)
    payouts: dict[str, Payout] = field(default_factory=dict)
    reversals: list[Reversal] = field(default_factory=list)

    @property
    def received(self) -> int:
        """Shillings that payers paid."""
        pushed = sum(push.amount for push in self.pushes.values() if push.receipt)
        return pushed + sum(paid.amount for paid in self.deposits)

    def amount_of(self, receipt: str) -> int | None:
        """Shillings that were received under a receipt; None if there is none such."""
        paid: list[Push | Paid] = [*self.pushes.values(), *self.deposits]
        return next((each.amount for each in paid if each.receipt == receipt), None)

    @property
    def paid_out(self) -> int:
        """Shillings that were paid out."""
        return sum(payout.amount for payout in self.payouts.values() if payout.receipt)


def certificate_of(key: rsa.RSAPrivateKey) -> str:
    """A certificate of this server's own, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apicrypt.fake")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()
