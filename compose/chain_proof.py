"""`treasury proof verify`: a settlement's line, its root, and who signed the root into a chain.

Needs no installation and, without a node, no network.
"""

from pathlib import Path
from typing import Any

from connectors.base import CallError
from connectors.chain.client import Client
from connectors.chain.config import Config
from connectors.chain.proof import MAX_FILE_BYTES, BadProof, Checked, check
from connectors.chain.words import (
    address,
    checksummed,
)
from connectors.http import open_session
from connectors.reading import Unfit
from streams.errors import Misconfigured, Unavailable


async def verified(
    path: Path, *, node: str = "", confirmations: int | None = None, signer: str = ""
) -> dict[str, Any]:
    """What the file proves: `holds`, and why not.

    A root that nothing binds to a chain proves nothing: its transaction is in the file, or a node
    is asked. With a node, the transaction is also in the block that the file names, which has so
    many confirmations (None: as many as the chain needs for money to count) or is final; with a
    signer, it is that wallet's. Raises `Unavailable` when the node does not answer.
    """
    with path.open("rb") as opened:
        file = opened.read(MAX_FILE_BYTES + 1)
    try:
        checked = check(file)
        if node:
            checked = await _at(node, file, checked, confirmations)
        if signer and checked.signer != _address(signer):
            who = checksummed(checked.signer) if checked.signer else "nobody that it names"
            raise BadProof(f"{who} signed it")
        if not checked.signer and not checked.anchored:
            raise BadProof("it has no transaction, and no node was asked: anybody can make a root")
    except BadProof as error:
        return {"holds": False, "why": str(error)}
    return _shown(checked)


async def _at(node: str, file: bytes, checked: Checked, confirmations: int | None) -> Checked:
    told = {"confirmations": str(confirmations)} if confirmations else {}
    try:
        config = Config.read({"rpc_url": node, "chain_id": str(checked.chain_id), **told})
    except ValueError as error:
        raise Misconfigured(str(error)) from None
    async with open_session() as session:
        try:
            client = Client(session, config)
            anchor = await client.anchor_of(checked.tx_hash)
            view = await client.view(anchor.block_number if anchor is not None else None)
        except CallError as error:
            raise Unavailable(f"the node: {error.reason}") from None
    if anchor is None:
        raise BadProof("the transaction is in no block that the node knows")
    found = check(file, anchor)
    if not view.counts(anchor.block_number, anchor.block_hash, config.confirmations):
        depth = view.depth(anchor.block_number)
        raise BadProof(f"its block has {depth} of {config.confirmations} confirmations")
    return found


def _address(signer: str) -> str:
    try:
        return address(signer)
    except Unfit as error:
        raise Misconfigured(f"--signer: {error.reason}") from None


def _shown(checked: Checked) -> dict[str, Any]:
    return {
        "holds": True,
        "line": dict(checked.leaf),
        "root": checked.root.hex(),
        "chain_id": checked.chain_id,
        "transaction": checked.tx_hash,
        "block": checked.block_hash,
        "signer": checksummed(checked.signer) if checked.signer else "",
        "seen_by_node": checked.anchored,
    }
