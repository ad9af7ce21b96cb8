"""A settlement proof as a file: that one line was in a list whose root was written to a chain.

Pure. A line (leaf) is canonical JSON, so that the same facts are always the same bytes. The root of
all lines goes into the data of a transaction of nothing that a wallet sends to itself. The file has
one line, its path to the root, and the signed transaction itself: so it can be checked without a
network down to who signed what. That the transaction is in a block is what a node says (`Anchor`),
or whoever looks the hash up.

What it does not prove: who the signer is (compare `Checked.signer` with the address that is known),
and how many lines there were: a root stands for its lines and says of their number only what a path
needs (streams/merkle.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from connectors.chain.signing import opened
from connectors.chain.translate import Anchor
from connectors.chain.words import (
    data_of,
    hash_text,
    octets,
)
from connectors.reading import Unfit, Unreadable, object_of
from streams import merkle

MAGIC, VERSION = b"TRSY", 1
FORMAT = "treasury-settlement-proof/1"
MAX_DEPTH, MAX_FILE_BYTES = 8, 1024 * 1024
_name = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch


class BadLeaf(ValueError):
    """A line that has no canonical form; says where."""


class BadProof(ValueError):
    """A file that proves nothing; says why."""


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file holds. Hashes of the tree are hex without, those of the chain with `0x`.

    `leaf` is the exact text that was hashed; `transaction` the signed bytes, or empty.
    """

    format: str
    leaf: str
    index: int
    size: int
    path: tuple[str, ...]
    root: str
    chain_id: int
    tx_hash: str
    block_hash: str
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file proves: this line is under this root, and ...

    `signer` is who signed the root into the transaction; empty where the file does not have it.
    `anchored` is whether a node's word was compared: the transaction is in the block that is named.
    """

    leaf: Mapping[str, Any]
    root: bytes
    chain_id: int
    tx_hash: str
    block_hash: str
    signer: str
    anchored: bool


@dataclass(frozen=True, slots=True)
class Anchored:
    """Where a root was written: the transaction's signed bytes, and the block that it is in."""

    chain_id: int
    tx_hash: str
    block_hash: str
    transaction: bytes = b""


# -- lines ----------------------------------------------------------------------------------------


def canonical(leaf: Mapping[str, Any]) -> bytes:
    """The bytes of a line: JSON in UTF-8, names in order, no spaces; as RFC 8785 has it.

    Values are text, lists and objects of such; amounts are text, as `1500.00`. Names are lower-case
    ASCII. Raises `BadLeaf` for anything else: numbers, null and truth values have no one way to be
    written.
    """
    _require_text(leaf, "", 0)
    if not isinstance(leaf, Mapping):
        raise BadLeaf("a line must be an object")
    return msgspec.json.encode(leaf, order="sorted")


def _require_text(value: object, where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadLeaf(f"{where}: too deep")
    if isinstance(value, str):
        _require_unicode(value, where)
    elif isinstance(value, list | tuple):
        for at, each in enumerate(value):
            _require_text(each, f"{where}[{at}]", depth + 1)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(name, str) or not _name(name):
                raise BadLeaf(f"{where}: a name must be of a-z, 0-9 and _")
            _require_text(each, f"{where}.{name}", depth + 1)
    else:
        raise BadLeaf(f"{where or 'a line'}: must be text, not {type(value).__name__}")


def _require_unicode(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadLeaf(f"{where}: half of a character") from None


def _leaf_of(text: str) -> Mapping[str, Any]:
    """The line that a text is. Raises `BadProof` unless it is its one canonical form."""
    try:
        leaf = object_of(text.encode())
        same = canonical(leaf) == text.encode()
    except (Unreadable, BadLeaf, UnicodeEncodeError) as error:
        raise BadProof(f"the line is not valid: {error}") from None
    if not same:
        raise BadProof("the line is not in its canonical form")
    return leaf


# -- writing --------------------------------------------------------------------------------------


def anchor_data(root: bytes) -> bytes:
    """What the transaction bears: four letters, a version, and the root's 32 bytes."""
    if len(root) != merkle.HASH_BYTES:
        raise ValueError("a root has 32 bytes")
    return MAGIC + bytes([VERSION]) + root


def files(leaves: Sequence[Mapping[str, Any]], anchored: Anchored) -> list[bytes]:
    """The proof of every line, in their order. Raises `BadLeaf`."""
    lines = [canonical(each) for each in leaves]
    root = merkle.root(lines).hex()
    pairs = zip(lines, merkle.paths(lines), strict=True)
    return [
        _file((line, index, len(lines)), path, root, anchored)
        for index, (line, path) in enumerate(pairs)
    ]


def file_of(lines: Sequence[bytes], index: int, anchored: Anchored) -> bytes:
    """The proof of one of these lines, which are in their canonical form."""
    about = lines[index], index, len(lines)
    return _file(about, merkle.path(lines, index), merkle.root(lines).hex(), anchored)


def _file(
    about: tuple[bytes, int, int], path: Sequence[bytes], root: str, anchored: Anchored
) -> bytes:
    """`about` is a line, its index, and how many there are."""
    line, index, size = about
    return msgspec.json.encode(
        Proof(
            FORMAT,
            line.decode(),
            index,
            size,
            tuple(each.hex() for each in path),
            root,
            anchored.chain_id,
            anchored.tx_hash,
            anchored.block_hash,
            data_of(anchored.transaction) if anchored.transaction else "",
        )
    )


# -- checking -------------------------------------------------------------------------------------


def check(file: bytes, anchor: Anchor | None = None) -> Checked:
    """Check a file by itself, and against a node's word of the transaction if there is one.

    Raises `BadProof` for an invalid file, and for one in which anything does not fit.
    """
    proof = _proof_of(file)
    leaf, root = _leaf_of(proof.leaf), _tree_hash(proof.root, "root")
    path = [_tree_hash(each, "path") for each in proof.path]
    if not merkle.verify(proof.leaf.encode(), proof.index, proof.size, path, root):
        raise BadProof("the path does not lead from the line to the root")
    signer = _signer_of(proof, root) if proof.transaction else ""
    if anchor is not None:
        _require_anchor(proof, root, signer, anchor)
    return Checked(
        leaf, root, proof.chain_id, proof.tx_hash, proof.block_hash, signer, anchor is not None
    )


def _proof_of(file: bytes) -> Proof:
    if len(file) > MAX_FILE_BYTES:
        raise BadProof("the file is larger than any proof")
    try:
        proof = msgspec.json.decode(file, type=Proof)
    except (ValueError, RecursionError) as error:
        raise BadProof(f"the file is no proof: {error}") from None
    if proof.format != FORMAT:
        raise BadProof("the file is of another format")
    for name in ("tx_hash", "block_hash"):
        try:
            same = hash_text(getattr(proof, name)) == getattr(proof, name)
        except Unfit:
            same = False
        if not same:
            raise BadProof(f"{name} is no hash")
    return proof


def _tree_hash(text: str, name: str) -> bytes:
    try:
        return octets(f"0x{text}", merkle.HASH_BYTES)
    except Unfit:
        raise BadProof(f"{name}: a hash has 64 hex digits") from None


def _signer_of(proof: Proof, root: bytes) -> str:
    """Who signed the transaction in the file. Raises `BadProof` unless it is what it must be."""
    try:
        found = opened(octets(proof.transaction))
    except Unfit as error:
        raise BadProof(f"the transaction cannot be read: {error.reason}") from None
    made = found.transaction
    if found.tx_hash != proof.tx_hash:
        raise BadProof("the transaction has another hash than the file says")
    if made.chain_id != proof.chain_id:
        raise BadProof("the transaction is of another chain than the file says")
    if made.data != anchor_data(root):
        raise BadProof("the transaction does not bear this root")
    if made.to != found.sender or made.value:
        raise BadProof("the transaction moves money, or is not from a wallet to itself")
    return found.sender


def _require_anchor(proof: Proof, root: bytes, signer: str, anchor: Anchor) -> None:
    """Raises `BadProof` unless a node says the same of the transaction."""
    if (anchor.chain_id, anchor.tx_hash) != (proof.chain_id, proof.tx_hash):
        raise BadProof("the node speaks of another transaction")
    if anchor.data != anchor_data(root):
        raise BadProof("the transaction on the chain does not bear this root")
    if anchor.block_hash != proof.block_hash:
        raise BadProof("the transaction is in another block than the file says")
    if anchor.succeeded is not True:
        raise BadProof("the transaction did not succeed")
    if signer and anchor.sender != signer:
        raise BadProof("the transaction on the chain has another signer")
