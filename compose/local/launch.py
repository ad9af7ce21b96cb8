"""Become a service process: hold its folder's lock, drop root, die with the parent, then exec.

Run as a script by processes.py, with nothing but the standard library, so that no Python code has
to run between fork and exec in a process that already has threads.
"""

import argparse
import ctypes
import fcntl
import os
import pwd
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
LOCKED_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits


def parse_arguments() -> argparse.Namespace:
    """The options of this launch and, after `--`, the service's own argument list."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--lock-wait-s", type=float, required=True)
    parser.add_argument("--account")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def die_with(parent: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when the parent ends; Linux only, elsewhere a no-op."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise SystemExit("the starting process ended before its service began")


def hold_lock(path: Path, wait_s: float) -> None:
    """Lock the file for as long as the service, or any process it forks, is alive."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                print(f"another process still uses {path.parent}", file=sys.stderr)
                raise SystemExit(LOCKED_EXIT_CODE) from None
            time.sleep(0.05)
    os.set_inheritable(descriptor, True)


def drop_to(account: str) -> None:
    """Give up root for good; OSError when that is not allowed."""
    entry = pwd.getpwnam(account)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main() -> None:
    """Prepare this process, then replace it by the service."""
    options = parse_arguments()
    die_with(options.parent, options.death_signal)
    hold_lock(options.lock, options.lock_wait_s)
    if options.account:
        drop_to(options.account)
        # A change of account clears the death signal.
        die_with(options.parent, options.death_signal)
    os.execv(options.command[0], options.command)  # noqa: S606


if __name__ == "__main__":
    main()
