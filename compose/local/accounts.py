"""Under which account the local PostgreSQL runs, and where that account can reach its files.

PostgreSQL refuses to run as root. When we are root it runs as `nobody`, which may be unable to
enter the checkout (below /root, say): then binaries and data live under /var/lib/treasury.
"""

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

UNPRIVILEGED = "nobody"
SHARED_HOME = Path("/var/lib/treasury")


def server_account() -> str | None:
    """The account to drop to, or None when we are not root and need not."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def can_enter(account: str | None, folder: Path) -> bool:
    """Whether the account can reach this folder; tried for real, so ACLs and mounts count."""
    return _succeeds(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])


def can_run(account: str | None, program: Path) -> bool:
    """Whether the account can execute this program (asked for its --version)."""
    return _succeeds(account, [str(program), "--version"])


def private_folder(account: str | None, wanted: Path) -> Path:
    """A folder only the account may read, at `wanted` or, if out of its reach, linked from there.

    The far folder has a random name kept in the link alone: delete the link and the next start is
    a fresh one, never an old database found again.
    """
    if wanted.exists():
        return wanted.resolve()
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.unlink(missing_ok=True)  # a link whose folder is gone
    if can_enter(account, wanted.parent):
        wanted.mkdir(mode=0o700)
        give(account, wanted)
        return wanted.resolve()
    far = shared_home() / f"postgres-{secrets.token_hex(8)}"
    far.mkdir(mode=0o700)
    give(account, far)
    wanted.symlink_to(far)
    return far


def give(account: str | None, path: Path) -> None:
    """Make the account the owner of the path; nothing to do when it is us."""
    if account is not None:
        entry = pwd.getpwnam(account)
        os.chown(path, entry.pw_uid, entry.pw_gid)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder for a throw-away installation, which every account can enter; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def readable_copy(sources: Sequence[Path], name: str) -> Path:
    """A world-readable folder with a copy of each source folder, made once per `name`."""
    target = shared_home() / name
    if target.exists():
        return target
    fresh = shared_home() / f"{name}.{secrets.token_hex(4)}"
    for source in sources:
        shutil.copytree(source, fresh / source.name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)
    if target.exists():  # another start was quicker
        shutil.rmtree(fresh)
    else:
        fresh.rename(target)
    return target


def shared_home() -> Path:
    """The folder everybody can enter and only root can write to."""
    SHARED_HOME.mkdir(parents=True, exist_ok=True)
    SHARED_HOME.chmod(0o755)
    return SHARED_HOME


def _succeeds(account: str | None, command: list[str]) -> bool:
    entry = None if account is None else pwd.getpwnam(account)
    try:
        finished = subprocess.run(
            command,
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=[] if entry else None,
            cwd="/",
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return finished.returncode == 0
