"""Every setting of a worker, from the environment (prefix TREASURY_) or a file of secrets.

`design` defaults; production values differ where README says so. Nothing here opens anything.
"""

import base64
import hashlib
import hmac
import secrets
import socket
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.topics import Topics
from tables.postgres.pool import APP, ARCHIVER, login_dsn

MASTER_KEY_BYTES = 32
Role = Literal["bridge", "writer", "archive", "projector", "relay", "dispatch"]
ROLES: tuple[Role, ...] = ("bridge", "writer", "archive", "projector", "relay", "dispatch")


class Settings(BaseSettings):
    """Settings of one worker process; times in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        env_prefix="TREASURY_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka: str = "127.0.0.1:9092"
    nats: str = "nats://127.0.0.1:4222"
    postgres_dsn: SecretStr = SecretStr("postgresql://treasury@127.0.0.1:5432/treasury")
    master_key: SecretStr = Field(description="32 bytes, base64: signs inbound records, logins")
    prefix: str = Field("treasury", pattern=r"^[a-z][a-z0-9]{0,30}$")
    partitions: int = Field(8, ge=1, le=4096)
    replication: int = Field(1, ge=1)
    nats_replicas: int = Field(1, ge=1, le=5)
    roles: tuple[Role, ...] = ROLES
    data_dir: Path = Path("/var/lib/treasury")
    worker_name: str = ""
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str = ""
    ack_after: Literal["archive", "journal"] = "archive"
    jwks_url: str = ""
    jwks_file: Path | None = None
    issuer: str = "treasury-local"
    audience: str = "treasury"
    instant_url: str = ""
    session_timeout_s: float = Field(10.0, ge=1)
    heartbeat_interval_s: float = Field(2.0, gt=0)
    stall_timeout_s: float = Field(60.0, gt=0)
    takeover_timeout_s: float = Field(600.0, gt=0)
    unarchived_bytes: int = Field(64 * 1024 * 1024, gt=0)
    seen_ids: int = Field(4_000_000, gt=0, description="remembered per partition, about 180 B each")
    trim_after_s: float = Field(24 * 3600.0, gt=0)
    embedded: bool = False
    migrate_at_start: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("master_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            key = base64.b64decode(value.get_secret_value(), validate=True)
        except ValueError:
            raise ValueError("the master key is not base64") from None
        if len(key) != MASTER_KEY_BYTES:
            raise ValueError(f"the master key has {len(key)} bytes, not {MASTER_KEY_BYTES}")
        return value

    @cached_property
    def topics(self) -> Topics:
        """The names of the topics."""
        return Topics(self.prefix)

    @property
    def worker(self) -> str:
        """The worker's name: unique and stable on its host and port."""
        return self.worker_name or f"{socket.gethostname()}-{self.port}"

    @property
    def web_url(self) -> str:
        """Where other workers reach this one."""
        return self.public_url or f"http://{self.host}:{self.port}"

    def derived_key(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, from the master key (HMAC-SHA256)."""
        master = base64.b64decode(self.master_key.get_secret_value())
        return hmac.digest(master, purpose.encode(), hashlib.sha256)

    def password(self, login: str) -> str:
        """The database password of one of our logins."""
        return self.derived_key(f"postgres {login}").hex()

    @property
    def owner_dsn(self) -> str:
        """The schema owner's login: migrations and administration only."""
        return self.postgres_dsn.get_secret_value()

    @property
    def app_dsn(self) -> str:
        """The web layer's login: tenants' rows under row-level security."""
        return login_dsn(self.owner_dsn, APP, self.password(APP))

    @property
    def archiver_dsn(self) -> str:
        """The roles' login: raw records and progress."""
        return login_dsn(self.owner_dsn, ARCHIVER, self.password(ARCHIVER))


def new_master_key() -> str:
    """A fresh random master key, base64."""
    return base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode()
