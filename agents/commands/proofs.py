"""A settlement's root is written to a chain: whoever has a line of it can prove it, to anybody."""

from typing import Annotated

import msgspec

from agents.accounting import methods
from agents.commands.base import Command, answered, demand, found
from agents.effects import CALL_DEADLINE_MS, CallGateway, Effects, Put
from agents.registry import COMMANDS, Event, View, handles
from agents.words import Id
from tables.settlements import Settlement, SettlementProof

PROVE = "treasury.command.settlement.prove"
ANCHOR = "anchor"
WAITS_S = 24 * 3600
"""How long the transaction is waited for (seconds); then a person looks."""
Root = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class ProveSettlement(Command, frozen=True):
    """The root over its lines, as the web layer has found and kept them."""

    settlement_id: Id
    root: Root
    size: Annotated[int, msgspec.Meta(ge=1)]


@handles(PROVE, ProveSettlement, ingress=COMMANDS)
def prove(event: Event[ProveSettlement], view: View) -> Effects:
    """Once for a settlement whose day is over; again only after it has failed."""
    data = event.data
    settlement = found(view, Settlement, event.tenant_id, data.settlement_id)
    demand(settlement.status != "collecting", "settlement_collecting", "its day is not over")
    before = view.row(SettlementProof, event.tenant_id, data.settlement_id)
    demand(before is None or before.status == "failed", "proof_exists")
    provider = methods.anchoring(view.tenant(event.tenant_id))
    proof = SettlementProof(
        event.tenant_id,
        data.settlement_id,
        data.root,
        data.size,
        provider,
        call_id=event.derive("call"),
        created_ms=event.now_ms,
        version=before.version + 1 if before is not None else 1,
    )
    yield Put(proof)
    request = {"root": data.root, "payer_has_s": WAITS_S}
    deadline_ms = event.log_ms + CALL_DEADLINE_MS
    yield CallGateway(proof.call_id, provider, ANCHOR, data.settlement_id, request, deadline_ms)
    yield from answered(proof, 202)
