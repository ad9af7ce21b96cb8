"""Tenants with customers who are written to, and the service that writes to them."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from agents.roles.archive_progress import ArchiveProgress
from agents.roles.lease import Owner
from agents.roles.message_reports import report_of
from agents.roles.messages import Messages
from agents.roles.notifier import Notifier
from agents.roles.secret_store import SecretStore
from connectors.http import open_session
from connectors.notifications.delivery import delivery_of
from tables.postgres.contacts import ContactRow, put_contact
from tables.postgres.messages import note_report
from tables.postgres.pool import tenant_transaction
from tests.agents.roles.test_secret_store import OLD
from tests.journals import NOW_MS
from tests.web.desk import MemoryDesk, project

WITHIN_S = 60
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
EMAIL, PHONE = "wanjiru@example.com", "+254712345678"
PAGES = "https://pay.example"


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class World:
    """Tenants alpha and beta, their archive and read models, and a notifications service."""

    def __init__(self, database, shelf, fake):
        self.database, self.shelf, self.fake = database, shelf, fake
        self.desk, self.clock = MemoryDesk(), Clock()
        self.archived = 0

    async def hear(self, event_type, tenant="alpha", *, ingress="nats", **data):
        """An event, decided, archived and projected."""
        entry = await self.desk.hear(event_type, tenant, ingress=ingress, **data)
        assert entry.status == "applied", entry.reason
        for batch in self.desk.batches[self.archived :]:
            images = {image.key: image.value for image in batch.images}
            await self.shelf.put(self.shelf.journal.batch(list(batch.entries), images))
        self.archived = len(self.desk.batches)
        await project(self.desk, self.database)
        return entry

    async def command(self, name, tenant="alpha", **data):
        entry = await self.hear(
            f"treasury.command.{name}", tenant, ingress="http", actor="a", **data
        )
        return json.loads(entry.reply.body)

    async def order(self, number=1, tenant="alpha", customer="c-1", total=1160):
        await self.hear(
            "cafe.order.created",
            tenant,
            order_id=f"o-{number}",
            customer_id=customer,
            total_amount=total,
        )

    async def pay(self, number=1, tenant="alpha"):
        made = await self.command("payment_intent.create", tenant, order_id=f"o-{number}")
        await self.command("payment.confirm", tenant, payment_id=made["payment_id"], method="cash")

    async def contact(self, tenant="alpha", customer="c-1", email=EMAIL, phone=PHONE, **changes):
        channels = changes.pop("channels", ("email", "sms"))
        row = ContactRow(tenant, customer, "Wanjiru Kamau", email, phone, channels)
        async with tenant_transaction(self.database.app, tenant) as connection:
            await put_contact(connection, row, by="somebody", now=self.clock())

    async def rows(self):
        return await self.database.owner.fetch("SELECT * FROM messages ORDER BY created_at")

    async def states(self):
        return Counter((row["state"], row["reason"]) for row in await self.rows())

    async def reported(self, request_id):
        report = report_of(delivery_of(self.fake.report(request_id)))
        async with self.database.archiver.acquire() as connection, connection.transaction():
            return await note_report(connection, report, self.clock())

    @asynccontextmanager
    async def carrying(self, **options):
        archived = ArchiveProgress(self.database.archiver)
        async with open_session() as session:
            settings = {"base_url": self.fake.base_url}
            sender = Notifier(session, settings, SecretStore(self.database.archiver, OLD))
            messages = Messages(
                self.database.archiver,
                archived,
                Owner("test"),
                sender=sender,
                pages=PAGES,
                now=self.clock,
                **options,
            )
            self.task = asyncio.create_task(messages.run(0))
            try:
                yield
            finally:
                self.task.cancel()
                await asyncio.gather(self.task, return_exceptions=True)
                await archived.close()

    async def until(self, condition):
        async with asyncio.timeout(WITHIN_S):
            while not await condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.02)

    async def until_states(self, **wanted):
        async def found():
            counted = Counter(row["state"] for row in await self.rows())
            return counted == Counter(wanted)

        await self.until(found)

    async def until_read(self):
        async def read():
            seq = await self.database.owner.fetchval(
                "SELECT seq FROM progress WHERE role = 'messages'"
            )
            return seq == self.shelf.seq

        await self.until(read)

    async def taken(self):
        """Whether the service has taken a message."""
        return bool(self.fake.messages)

    async def tried(self, attempts):
        """Whether the only message was tried so often."""
        return [row["attempts"] for row in await self.rows()] == [attempts]

    def let_time_pass(self, **span):
        self.clock.now += timedelta(**span)
