"""A tree over a list of byte strings, so that one of them can be shown to be in it.

Pure. RFC 6962, section 2.1, over SHA-256: leaves and nodes are hashed under different prefixes, and
a last node without a neighbour goes up as it is. (To double it, as some do, lets two lists have one
root.) Every function is linear in the leaves, or in the path.

Paths prove that a leaf is under a root. Of index and size they prove only the turns on the way up:
some sizes look the same from a leaf, so a size counts as far as who names it is trusted.
"""

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32


def root(leaves: Sequence[bytes]) -> bytes:
    """The 32 bytes that stand for all leaves in their order; of none, the hash of nothing."""
    if not leaves:
        return hashlib.sha256().digest()
    return _levels(leaves)[-1][0]


def path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of one leaf: the hashes beside its way up, lowest first.

    Raises IndexError for a leaf that is not there.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} of {len(leaves)}")
    return _path(_levels(leaves), index)


def paths(leaves: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """The audit path of every leaf, of one tree that is built once."""
    if not leaves:
        return []
    levels = _levels(leaves)
    return [_path(levels, index) for index in range(len(leaves))]


def verify(
    leaf: bytes, index: int, size: int, audit_path: Sequence[bytes], expected_root: bytes
) -> bool:
    """Whether a path leads from the leaf, at this index of so many, to the root.

    RFC 9162, section 2.1.3.2: a path too short or too long leads nowhere.
    """
    if not 0 <= index < size or any(len(each) != HASH_BYTES for each in audit_path):
        return False
    hashed, at, last = _leaf(leaf), index, size - 1
    for beside in audit_path:
        if last == 0:
            return False
        while at == last and at % 2 == 0:  # no neighbour here: it goes up as it is
            at, last = at // 2, last // 2
        hashed = _node(beside, hashed) if at % 2 else _node(hashed, beside)
        at, last = at // 2, last // 2
    return last == 0 and hashed == expected_root


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The hashes of the leaves, and above them every level up to the root."""
    levels = [[_leaf(each) for each in leaves]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        level = [_node(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        levels.append(level + below[len(level) * 2 :])
    return levels


def _path(levels: Sequence[Sequence[bytes]], index: int) -> tuple[bytes, ...]:
    found = []
    for level in levels[:-1]:
        beside = index ^ 1
        if beside < len(level):
            found.append(level[beside])
        index //= 2
    return tuple(found)
