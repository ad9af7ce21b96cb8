"""What must stand in no log of an installation: its keys and passwords, and tokens of any kind."""

import re

from compose.up import Running

_SHAPES = (
    re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),  # a JWT, whole
    re.compile(r"trs_(?:live|test)_[0-9a-f]{16}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}"),
    re.compile(r"whsec_[A-Za-z0-9+/]{20,}"),
    re.compile(r"/webhooks/[a-z]+/[^/\s]+/[A-Za-z0-9_.-]*[0-9a-f]{40}"),  # an address is a key
)
_PAY_PAGE = re.compile(r"/pay/[0-9a-f]{40}")
"""Told to whoever sends it to the payer: Kafka's segments (.log too) may hold it."""


def secrets_of(running: Running) -> list[str]:
    """The secrets that the installation runs with."""
    settings = running.settings()
    passwords = [settings.password(login) for login in ("treasury_app", "treasury_archiver")]
    keys = [settings.master_key.get_secret_value(), settings.derived_key("secrets").hex()]
    return [*keys, *passwords, *running.sandbox.secrets]


def leaks(running: Running) -> list[str]:
    """The places, as file and line, where a log says one; without saying it again."""
    found, secrets = [], secrets_of(running)
    for path in sorted(running.local.home.rglob("*.log")):
        shapes = _SHAPES if "data" in path.parts else (*_SHAPES, _PAY_PAGE)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            is_said = any(secret in line for secret in secrets)
            if is_said or any(shape.search(line) for shape in shapes):
                found.append(f"{path.relative_to(running.local.home)}:{number}")
    return found
