"""The generated load played into the pure core, and what the core then shows.

Stands in for bridge, web layer, dispatch and gateway; the only file of the model that knows the
product's core.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

from agents.commands import CONFIRM, CREATE_INTENT
from agents.decide import Arrival
from streams.partitioner import partition_of
from tables.balances import Balance
from tables.invoices import Invoice as InvoiceRow
from tables.payments import Case, Credit
from tests.agents.core import Core, envelope
from tests.model.compare import Published, Shown
from tests.model.generator import Load, Message, Story
from tests.model.ledger import Invoice

DECLINED = 13


class Played:
    """All partitions of one product, decided in micro-batches of random size.

    `watch` is called after each micro-batch.
    """

    def __init__(
        self,
        seed: int,
        partitions: int,
        *,
        sizes: Sequence[int] = (1, 2, 7, 50, 400),
        watch: Callable[["Played"], None] = lambda _played: None,
    ) -> None:
        self._sizes, self._watch = sizes, watch
        self.cores = [Core(partition=number, partitions=partitions) for number in range(partitions)]
        self._dice, self._numbers = random.Random(seed), count()

    def messages(self, messages: Sequence[Message]) -> None:
        """What NATS carries, through the bridge's door."""
        shares: list[list[Message]] = [[] for _ in self.cores]
        for message in messages:
            shares[partition_of(message.tenant_id, len(self.cores))].append(message)
        for core, share in zip(self.cores, shares, strict=True):
            while share:
                size = self._dice.choice(self._sizes)
                taken, share[:] = share[:size], share[size:]
                core.batch([self._arrival(core, message) for message in taken])
                core.now_ms += size
                self._watch(self)
                if self._dice.random() < 0.05:
                    core.checkpoint()
            while core.fold.parking.releasing:
                core.tick()

    def _arrival(self, core: Core, message: Message) -> Arrival:
        refused = message.reason if message.reason == "subject_mismatch" else ""
        return core.arrival(message.raw, refused=refused)

    def stories(self, stories: Iterable[Story]) -> None:
        """Payments over HTTP; each ends before the next begins."""
        for story in stories:
            self._story(next(self._numbers), story)

    def _story(self, number: int, story: Story) -> None:
        tenant_id = story.tenant_id
        core = self.cores[partition_of(tenant_id, len(self.cores))]
        since = len(core.entries)
        created = self._command(core, story, f"intent-{number}", CREATE_INTENT, wish_of(story))
        confirm = confirm_of(created)
        self._command(core, story, f"confirm-{number}", CONFIRM, confirm)
        if story.doubled:
            core.event(CONFIRM, tenant_id, confirm, event_id=f"again-{number}", ingress="http")
            assert core.entries[-1].status == "refused"
        self._gateway(core, since)

    def _command(self, core: Core, story: Story, key: str, kind: str, data: object) -> bytes:
        raw = envelope(kind, story.tenant_id, data, event_id=key, timestamp_ms=core.now_ms)
        [entry] = core.send(raw, ingress="http")
        assert entry.status == "applied", entry
        assert entry.reply is not None
        if story.retried:
            [again] = core.send(raw, ingress="http")
            assert (again.status, again.reply) == ("duplicate", entry.reply)
        return entry.reply.body

    def _gateway(self, core: Core, since: int) -> None:
        """Grant and answer the calls wished since then, and say each thing twice."""
        for entry in core.entries[since:]:
            for call in entry.calls:
                for word in words_of_gateway(call.call_id, json.loads(call.request)):
                    for _ in range(2):
                        event_type, event_id, data = word
                        core.event(
                            event_type, entry.tenant_id, data, event_id=event_id, ingress="internal"
                        )


def wish_of(story: Story) -> dict[str, str]:
    """The data of the command that begins the story's payment."""
    amount = {"amount": story.amount} if story.amount else {}
    return {"order_id": story.order_id, **amount}


def confirm_of(created: bytes) -> dict[str, str]:
    """The data of the command that confirms it, from the answer to the first."""
    return {"payment_id": json.loads(created)["payment_id"], "method": "instant"}


def words_of_gateway(
    call_id: str, request: dict[str, str]
) -> Iterator[tuple[str, str, dict[str, object]]]:
    """(event type, event id, data) of what dispatch says of a call: it may go out, it ended so."""
    about = {"call_id": call_id, "nonce": f"nonce-{call_id}"}
    yield "treasury.call.granted", f"granted-{call_id}", about | {"valid_for_ms": 5_000}
    answer = about | {"outcome": "succeeded"}
    if int(request["amount"].replace(".", "")) % 100 == DECLINED:
        answer |= {"outcome": "failed", "failure": "declined"}
    else:
        answer |= {"provider_reference": f"IN-{call_id}", "amount": request["amount"]}
    yield "treasury.call.completed", f"completed-{call_id}", answer


def play(load: Load, order: Sequence[Message], *, partitions: int = 1) -> Played:
    """Everything of a load, its messages in the given order; the invariants hold."""
    played = Played(load.seed, partitions)
    played.messages(order)
    played.stories(load.stories)
    for core in played.cores:
        assert core.violations() == []
    return played


def digests(played: Played) -> list[int]:
    """The digest of each partition."""
    return [core.working.digest for core in played.cores]


def shown(played: Played) -> Shown:
    """What the cores show, in the model's terms."""
    balances: dict[tuple[str, str, str], int] = {}
    invoices: dict[tuple[str, str], Invoice] = {}
    owed: dict[tuple[str, str, str], int] = {}
    suspense: Counter[tuple[str, str]] = Counter()
    for core in played.cores:
        for row in core.rows(Balance):
            balances[row.tenant_id, row.account, row.asset] = row.posted
        for claim in core.rows(InvoiceRow):
            if claim.status != "void":
                key = (claim.tenant_id, claim.order_id)
                assert key not in invoices, f"two invoices of one order: {key}"
                invoices[key] = Invoice(
                    claim.invoice_id, claim.total, claim.tax, claim.paid, claim.status
                )
        for credit in core.rows(Credit):
            owed[credit.tenant_id, credit.customer_id, credit.asset] = credit.amount
        for case in core.rows(Case):
            if case.status == "open":
                suspense[case.tenant_id, case.asset] += case.amount
    entries = [entry for core in played.cores for entry in core.entries]
    carried = [entry for entry in entries if entry.ingress == "nats"]
    return Shown(
        balances,
        invoices,
        owed,
        suspense,
        [published(item.body) for entry in entries for item in entry.emitted],
        frozenset((e.tenant_id, e.event_id) for e in carried if e.status == "applied"),
        sum(entry.status == "duplicate" for entry in carried),
        Counter(e.reason.partition(":")[0] for e in carried if e.status == "rejected"),
    )


def published(body: bytes) -> Published:
    """An outbound event from its bytes, amounts as they are written."""
    event = json.loads(body, parse_float=str, parse_int=str)
    data = event["data"]
    return Published(
        event["event_id"],
        event["event_type"],
        event["tenant_id"],
        data.get("order_id", ""),
        data.get("amount", ""),
    )
