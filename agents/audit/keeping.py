"""What rows of all kinds keep: members that never change, versions that only grow."""

from tables.row import Row


def kept(before: Row | None, after: Row, *names: str) -> str:
    """The members among `names` that changed although they never may; empty if none did."""
    if before is None:
        return ""
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    return f"{', '.join(changed)} changed" if changed else ""


def newer(before: Row | None, after: Row) -> str:
    """Why a row that changed has no greater version; empty if it has."""
    if before is None or after == before:
        return ""
    old, new = before.version, after.version  # type: ignore[attr-defined]
    return "" if new > old else f"version {old} is followed by {new}"
