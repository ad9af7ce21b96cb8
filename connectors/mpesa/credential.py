"""The initiator's password, sealed for Safaricom: RSA, PKCS#1 v1.5, base64 (Daraja documentation,
"Security Credentials"). Differs each time; only the holder of the private key can read it.
"""

import base64

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def security_credential(password: str, certificate: str) -> str:
    """Seal a password under an environment's certificate (PEM).

    Raises ValueError for an invalid certificate, or a password too long for its key.
    """
    try:
        key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    except ValueError:
        raise ValueError("mpesa: certificate is no certificate in PEM") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("mpesa: the certificate has no RSA key")  # noqa: TRY004  a setting
    try:
        return base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()
    except ValueError:
        raise ValueError("mpesa: initiator_password is too long to be sealed") from None
