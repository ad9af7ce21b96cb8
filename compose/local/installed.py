"""Finds the settings of what runs on this machine: the environment, else the folder of `up`.

`treasury up` leaves a file with its settings, readable by its owner only, while it runs.
"""

import os
from pathlib import Path

import msgspec

from compose.settings import Settings
from streams.errors import Misconfigured

FILE = "settings.json"
_OWN = ("MASTER_KEY", "MASTER_KEY_FILE", "VAULT_URL")
"""Where one of these is set, the environment says it all."""


def leave_settings(home: Path, environment: dict[str, str]) -> Path:
    """Write down the settings of a running installation."""
    path = home / FILE
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(environment))
    return path


def settings_here() -> Settings:
    """Settings for an administrative command. Raises `Misconfigured` when there are none."""
    if any(f"TREASURY_{name}" in os.environ for name in _OWN):
        return Settings()
    path = Path(os.environ.get("TREASURY_HOME", ".treasury")) / FILE
    if not path.exists():
        raise Misconfigured(
            f"no installation runs here ({path} is missing): start `treasury up`, or set"
            " TREASURY_KAFKA, TREASURY_NATS, TREASURY_POSTGRES_DSN and TREASURY_MASTER_KEY"
        )
    environment = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    os.environ.update(environment)
    return Settings()
