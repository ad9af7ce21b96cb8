"""What PayPal tells in its webhooks: events under a certificate of PayPal's own.

The certificate is fetched once from the address that a header names, which is paypal.com's or it is
not believed. A fake on this machine may serve its own.
"""

import ssl
import warnings
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from connectors.base import Ambiguous
from connectors.callbacks import Callback, Disputed, NotBelieved, Report
from connectors.http import exchange, is_near
from connectors.paypal import translate
from connectors.paypal.config import Config
from connectors.paypal.signature import BadSignature, Transmission, Trust, age_of, transmission_of
from connectors.paypal.translate import Told
from connectors.reading import Unreadable

CERTIFICATES_KEPT = 16


class Hearing:
    """The webhooks of one app."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session, self._config = session, config
        self._certificates: dict[str, bytes] = {}

    async def heard(self, callback: Callback) -> Report | Disputed | None:
        """What one event says; None for one about nothing of ours.

        Raises `NotBelieved`, and a `CallError` while the certificate cannot be had. An order
        that was approved is a reason to ask: asking captures it.
        """
        try:
            sent = transmission_of(callback.headers, near=self._near)
            certificates = await self._certificate(sent)
            age = age_of(sent, callback.body, certificates, self._trust(), callback.at)
            told = translate.event_of(callback.body)
            dispute = translate.dispute_of(callback.body)
        except (BadSignature, Unreadable) as error:
            raise NotBelieved(str(error)) from None
        if dispute is not None:
            return dispute
        if told.kind == "other" or not told.call_id:
            return None
        return _report(told, old=age == "old")

    @property
    def _near(self) -> str:
        """Our own fake's address, if PayPal is one on this machine."""
        base_url = self._config.base_url
        return base_url if is_near(urlsplit(base_url).hostname or "") else ""

    async def _certificate(self, sent: Transmission) -> bytes:
        kept = self._certificates.get(sent.certificate_url)
        if kept is not None:
            return kept
        answer = await exchange(self._session, "GET", sent.certificate_url, headers={})
        if answer.status != 200:
            raise Ambiguous(f"certificate: status {answer.status}")
        if len(self._certificates) >= CERTIFICATES_KEPT:
            self._certificates.clear()
        self._certificates[sent.certificate_url] = answer.body
        return answer.body

    def _trust(self) -> Trust:
        roots = self._config.webhook_roots
        return Trust(self._config.webhook_id, _named(roots) if roots else _of_the_machine())


def _report(told: Told, *, old: bool) -> Report:
    # A declined payment may be tried again; a refund made by hand bears the payment's own call.
    is_final = told.kind == "capture" and told.result.outcome == "succeeded"
    ask = "old" if old else "" if is_final else "not_final"
    # Money counts under its order's handle, which an event about a capture does not name.
    handle = told.subject if told.kind == "order" else ""
    return Report(told.event_id, told.call_id, handle, told.result, ask)


@lru_cache(maxsize=8)
def _named(pem: str) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificates(pem.encode()))


@lru_cache(maxsize=1)
def _of_the_machine() -> tuple[x509.Certificate, ...]:
    """The roots that this machine trusts, without those that ended."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    with warnings.catch_warnings():
        # Some old roots are against RFC 5280; none of them has signed for PayPal.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        roots = [x509.load_der_x509_certificate(der) for der in found]
    return tuple(root for root in roots if root.not_valid_after_utc > datetime.now(UTC))
