"""Every setting of a worker, from the environment (prefix TREASURY_).

What is secret may stand in a file instead (the same name with _FILE: a mounted Kubernetes secret)
or in Vault (compose/credentials.py). `design` defaults; production values differ where README says
so. Nothing here opens a connection.
"""

import base64
import hashlib
import hmac
import secrets
import socket
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.envelope import Keyring
from connectors.notifications.config import Config as Notifications
from connectors.notifications.translate import TOLD
from connectors.registry import GATEWAYS, SERVICES
from connectors.webhooks.addresses import read_networks
from streams.errors import Misconfigured
from streams.topics import Topics
from tables.postgres.pool import APP, ARCHIVER, login_dsn

MASTER_KEY_BYTES = 32
Role = Literal[
    "bridge",
    "writer",
    "archive",
    "projector",
    "relay",
    "dispatch",
    "webhooks",
    "messages",
    "keys",
    "chains",
]
ROLES: tuple[Role, ...] = get_args(Role)


class Settings(BaseSettings):
    """Settings of one worker process; times in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        env_prefix="TREASURY_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka: str = "127.0.0.1:9092"
    nats: str = "nats://127.0.0.1:4222"
    postgres_dsn: SecretStr = SecretStr("postgresql://treasury@127.0.0.1:5432/treasury")
    postgres_dsn_file: Path | None = None
    app_password: SecretStr = SecretStr("")
    app_password_file: Path | None = None
    archiver_password: SecretStr = SecretStr("")
    archiver_password_file: Path | None = None
    master_key: SecretStr = Field(
        SecretStr(""), description="32 bytes, base64: seals secrets, signs inbound records, logins"
    )
    master_key_file: Path | None = None
    old_master_keys: SecretStr = Field(
        SecretStr(""), description="keys that still open what they sealed, comma-separated"
    )
    old_master_keys_file: Path | None = None
    vault_url: str = ""
    vault_secret: str = Field("secret/treasury", pattern=r"^[^/]+(/[^/]+)+$")
    vault_token: SecretStr = SecretStr("")
    vault_token_file: Path | None = None
    key_age_days: float = Field(90, gt=0, description="age at which a data key is replaced")
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
    jwks_url: str = Field("", description="the token issuer's keys; default: where it says")
    jwks_file: Path | None = None
    issuer: str = Field(
        "treasury-local", description="who signs tokens: an address, or a name beside its keys"
    )
    audience: str = "treasury"
    auth_url: str = Field("", description="the auth service, asked about tenants we do not know")
    auth_api_key: SecretStr = SecretStr("")
    auth_api_key_file: Path | None = None
    gateways: SecretStr = Field(
        SecretStr("{}"),
        description="what gateways need besides tenants' secrets: {name: {member: text}}",
    )
    gateways_file: Path | None = None
    notifications: SecretStr = Field(
        SecretStr("{}"),
        description="the notifications service: {base_url, path, api_key, types}; empty: we write"
        " to nobody. types are the events that we write about, comma-separated; the default is all",
    )
    notifications_file: Path | None = None
    unknown_after_s: float = Field(
        360,
        gt=0,
        le=360,
        description="how long after its deadline a call is asked about; then it is unknown",
    )
    callback_url: str = Field(
        "", description="where gateways and payers reach us; default: the web layer's own address"
    )
    callback_networks: dict[str, str] = Field(
        {}, description="where a gateway's callbacks may come from: {name: comma-separated CIDR}"
    )
    trusted_proxies: str = Field(
        "", description="our own proxies and workers, comma-separated CIDR: X-Forwarded-For counts"
    )
    sandbox_url: str = Field(
        "", description="a local installation's fakes, for `treasury trigger`; empty elsewhere"
    )
    requests_per_s: int = Field(
        500, ge=0, description="requests a second of each tenant to one worker; 0: no limit"
    )
    requests_at_once: int = Field(
        1_000, ge=1, description="requests of a tenant at once, before the rate counts"
    )
    mode: Literal["any", "live", "test"] = Field(
        "any", description="which API keys are taken here: live, test (sandbox) or any"
    )
    webhook_networks: str = Field(
        "", description="our own networks that tenants' webhooks may reach, comma-separated CIDR"
    )
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

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Put what stands in a file in its place; passwords are read again for each login."""
        for name in (
            *("postgres_dsn", "master_key", "old_master_keys", "auth_api_key", "gateways"),
            "notifications",
        ):
            path = values.get(f"{name}_file")
            if path and not values.get(name):
                values = {**values, name: read_secret(Path(path))}
        return values

    @field_validator("gateways")
    @classmethod
    def _are_gateways(cls, value: SecretStr) -> SecretStr:
        _read_gateways(value)
        return value

    @field_validator("notifications")
    @classmethod
    def _are_notifications(cls, value: SecretStr) -> SecretStr:
        _read_notifications(value)
        return value

    @field_validator("callback_networks")
    @classmethod
    def _are_networks_of_gateways(cls, value: dict[str, str]) -> dict[str, str]:
        for name, networks in value.items():
            if name not in {*GATEWAYS, SERVICES}:
                raise ValueError(f"no such gateway: {name}")
            read_networks(networks)
        return value

    @field_validator("webhook_networks", "trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        read_networks(value)
        return value

    @field_validator("master_key", "old_master_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        for text in _listed(value):
            try:
                key = base64.b64decode(text, validate=True)
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

    @property
    def public_base(self) -> str:
        """Where gateways and payers reach us, without a trailing slash."""
        return (self.callback_url or self.web_url).rstrip("/")

    @property
    def gateway_settings(self) -> dict[str, dict[str, str]]:
        """What each gateway needs besides tenants' secrets, by its name. Holds secrets."""
        return _read_gateways(self.gateways)

    @property
    def notification_settings(self) -> dict[str, str]:
        """What calling the notifications service needs besides tenants' secrets; empty: nobody
        calls it. Holds a secret.
        """
        found = _read_notifications(self.notifications)
        return {name: text for name, text in found.items() if name != "types"}

    @property
    def message_types(self) -> frozenset[str]:
        """Types of events that we ourselves write to payers about."""
        return _types(_read_notifications(self.notifications))

    def derived_key(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, from the master key (HMAC-SHA256)."""
        return self.derived_keys(purpose)[0]

    def derived_keys(self, purpose: str) -> list[bytes]:
        """The same of every master key, the current one first. Raises `Misconfigured` for none."""
        current = _listed(self.master_key)
        if len(current) != 1:
            raise Misconfigured(
                "set TREASURY_MASTER_KEY, TREASURY_MASTER_KEY_FILE or TREASURY_VAULT_URL"
            )
        masters = [base64.b64decode(text) for text in (*current, *_listed(self.old_master_keys))]
        return [hmac.digest(master, purpose.encode(), hashlib.sha256) for master in masters]

    @property
    def keyring(self) -> Keyring:
        """The keys that seal and open secrets."""
        current, *old = self.derived_keys("secrets")
        return Keyring(current, old)

    def password(self, login: str) -> str:
        """The database password of one of our logins: as given now, else of the master key."""
        given, path = {
            APP: (self.app_password, self.app_password_file),
            ARCHIVER: (self.archiver_password, self.archiver_password_file),
        }[login]
        if given.get_secret_value():
            return given.get_secret_value()
        return read_secret(path) if path else self.derived_key(f"postgres {login}").hex()

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


def read_secret(path: Path) -> str:
    """The text of a file without the line's end. Raises `Misconfigured` without its content."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path} cannot be read: {type(error).__name__}") from None


def _read_gateways(value: SecretStr) -> dict[str, dict[str, str]]:
    """Raises ValueError, without the text, for what is none."""
    try:
        text = value.get_secret_value() or "{}"
        found = msgspec.json.decode(text, type=dict[str, dict[str, str]])
    except msgspec.DecodeError:
        raise ValueError("gateways are JSON: {name: {member: text}}") from None
    unknown = sorted(set(found) - set(GATEWAYS))
    if unknown:
        raise ValueError(f"no such gateway: {', '.join(unknown)}")
    return found


def _read_notifications(value: SecretStr) -> dict[str, str]:
    """Raises ValueError, without the text, for what is none."""
    try:
        found = msgspec.json.decode(value.get_secret_value() or "{}", type=dict[str, str])
    except msgspec.DecodeError:
        raise ValueError("notifications are JSON: {member: text}") from None
    if not set(found) <= {"base_url", "path", "api_key", "types"}:
        raise ValueError("notifications are base_url, path, api_key and types")
    if found:
        Notifications.read({"api_key": "in a secret", **found})
        _types(found)
    return found


def _types(found: dict[str, str]) -> frozenset[str]:
    """Raises ValueError for an event that nobody is written to about."""
    if "types" not in found:
        return TOLD
    types = frozenset(text.strip() for text in found["types"].split(",") if text.strip())
    if not types <= TOLD:
        raise ValueError(f"notifications: types are of {', '.join(sorted(TOLD))}")
    return types


def _listed(value: SecretStr) -> list[str]:
    return [text.strip() for text in value.get_secret_value().split(",") if text.strip()]


def new_master_key() -> str:
    """A fresh random master key, base64."""
    return base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode()
