"""Proofs of settlements: the lines of one, their root on a chain, and a file for each line.

Lines are made of the read models once, kept as they were hashed, and never made again: rows change,
a proof may not.
"""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from agents.commands.proofs import PROVE
from connectors.chain.proof import Anchored, canonical, file_of
from streams import merkle
from streams.money import exponent_of, format_minor, plain
from tables.payments import Payment, Refund
from tables.payouts import Payout
from tables.postgres.chains import keep_leaves, read_leaves, settled_rows
from tables.postgres.lists import resource
from tables.postgres.pool import tenant_transaction
from tables.row import restored
from tables.settlements import Settlement, SettlementProof
from web.api.resources import one
from web.call import Call
from web.commands import command
from web.lists import json_response, reading
from web.problems import Problem, not_found

Leaf = dict[str, str]


async def prove(call: Call) -> web.StreamResponse:
    """Have the root over a settlement's lines written to a chain."""
    settlement_id = call.request.match_info["settlement_id"]
    settlement = await one(call, Settlement, settlement_id)
    async with call.context.desk.view(call.tenant_id) as view:
        proof = view.row(SettlementProof, call.tenant_id, settlement_id)
    if proof is not None and proof.status != "failed":
        found = {"root": proof.root, "size": proof.size}
    elif settlement.status == "collecting":
        raise Problem(409, "settlement_collecting", "Its day is not over.")
    else:
        found = await _kept(call, settlement)
    return await command(call, PROVE, found)


async def _kept(call: Call, settlement: Settlement) -> dict[str, Any]:
    """The root over the settlement's lines and how many there are, once the lines are kept."""
    about = call.tenant_id, settlement.settlement_id
    async with reading(call) as connection:
        shown = await resource(connection, call.tenant_id, Settlement.KIND, about[1])
        rows = await settled_rows(connection, *about)
    # Every item of a day comes before its end: who knows of the end knows of the items.
    if shown is None or restored(Settlement, plain(shown)).status == "collecting":
        raise Problem(503, "lists-unavailable", "The settlement is not in the lists yet.")
    lines = [canonical(each) for each in _leaves(settlement, rows)]
    root = merkle.root(lines).hex()
    async with tenant_transaction(call.context.pool, call.tenant_id) as connection:
        texts = [line.decode() for line in lines]
        await keep_leaves(connection, call.tenant_id, root, texts)
    return {"root": root, "size": len(lines)}


async def list_items(call: Call) -> web.StreamResponse:
    """The payments, payouts and refunds of a settlement as they are now: as a proof has them."""
    settlement = await one(call, Settlement, call.request.match_info["settlement_id"])
    async with reading(call) as connection:
        rows = await settled_rows(connection, call.tenant_id, settlement.settlement_id)
    _, *items = _leaves(settlement, rows)
    return json_response({"data": items})


async def get_proof(call: Call) -> web.StreamResponse:
    """The file of one line: the settlement's own, or that of a payment, refund or payout in it."""
    match = call.request.match_info
    proof = await one(call, SettlementProof, match["settlement_id"])
    async with reading(call) as connection:
        leaves = await read_leaves(connection, call.tenant_id, proof.root)
    ids = [str(plain(leaf.encode())["id"]) for leaf in leaves]
    if match["entry_id"] not in ids:
        raise not_found()
    in_block = await call.context.in_block(proof.tx_hash) if proof.tx_hash else None
    if in_block is None:
        raise Problem(409, "proof-not-anchored", f"Its root is {proof.status}.")
    anchored = Anchored(in_block.chain_id, proof.tx_hash, in_block.block_hash, in_block.raw)
    lines = [leaf.encode() for leaf in leaves]
    file = file_of(lines, ids.index(match["entry_id"]), anchored)
    return web.Response(body=file, content_type="application/json")


# -- lines ----------------------------------------------------------------------------------------


def _leaves(settlement: Settlement, rows: Any) -> Iterator[Leaf]:
    """The settlement's sums, and then its payments, payouts and refunds."""
    yield _of_settlement(settlement)
    for row in rows:
        body = plain(row["body"].encode())
        match row["kind"]:
            case Payment.KIND:
                yield _of_payment(settlement, restored(Payment, body))
            case Payout.KIND:
                yield _of_payout(settlement, restored(Payout, body))
            case Refund.KIND:
                yield _of_refund(settlement, restored(Refund, body))


def _of_settlement(row: Settlement) -> Leaf:
    sums = ("gross", "refunds", "fees", "payouts", "disputes", "net")
    return {
        **_about(row, "settlement", row.settlement_id),
        "account": row.account,
        "day": row.day,
        "items": str(row.items),
        **{name: _text(getattr(row, name), row.asset) for name in sums},
    }


def _of_payment(settlement: Settlement, row: Payment) -> Leaf:
    return {
        **_about(settlement, "payment", row.payment_id),
        "amount": _text(row.received, row.asset),
        "provider_reference": row.provider_reference,
        "order_id": row.order_id,
        "invoice_id": row.invoice_id,
    }


def _of_payout(settlement: Settlement, row: Payout) -> Leaf:
    return {
        **_about(settlement, "payout", row.payout_id),
        "amount": _text(row.amount, row.asset),
        "provider_reference": row.provider_reference,
    }


def _of_refund(settlement: Settlement, row: Refund) -> Leaf:
    return {
        **_about(settlement, "refund", row.refund_id),
        "amount": _text(row.amount, row.asset),
        "provider_reference": row.provider_reference,
        "payment_id": row.payment_id,
    }


def _about(settlement: Settlement, kind: str, entry_id: str) -> Leaf:
    return {
        "kind": kind,
        "id": entry_id,
        "tenant_id": settlement.tenant_id,
        "settlement_id": settlement.settlement_id,
        "provider": settlement.provider,
        "currency": settlement.asset,
    }


def _text(minor: int, asset: str) -> str:
    return format_minor(minor, exponent_of(asset))
