"""What a generated load does to a running installation: sister services publish, payers pay.

Accepted is what JetStream acknowledged or HTTP answered; nothing here looks at what came of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from nats.aio.client import Client
from nats.errors import Error as NatsError

from agents.roles.outages import uninterrupted
from compose.messaging import nats_client
from streams.errors import Unavailable
from streams.ids import http_event_id
from tests.model.generator import PUBLISHERS, Message, Story

IN_FLIGHT = 500
ANSWER_WITHIN_S = 20.0
ATTEMPTS = 240
PAYERS = 8
SAME_KEY = 8
"""Requests at once under one Idempotency-Key."""
_DECIDED = frozenset({200, 201, 202, 409})


class NotAccepted(RuntimeError):
    """The installation did not take, or did not rightly answer, what was sent to it."""


async def publish(url: str, messages: Sequence[Message]) -> None:
    """Publish messages under their subjects, each publisher in order; all are acknowledged.

    Several workers share the stream, so the order of two messages is not that of their decisions:
    publish one that must come later (`Message.after`) when the earlier one is decided.
    """
    async with AsyncExitStack() as connected:
        clients = [
            await connected.enter_async_context(nats_client(url, name=f"service {n}"))
            for n in range(PUBLISHERS)
        ]
        async with asyncio.TaskGroup() as tasks:
            for number, client in enumerate(clients):
                mine = [each for each in messages if each.publisher == number]
                tasks.create_task(_publish_in_order(client, mine))


async def _publish_in_order(client: Client, messages: list[Message]) -> None:
    jetstream = client.jetstream(timeout=ANSWER_WITHIN_S)
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def acknowledged(message: Message) -> None:
        for attempt in range(ATTEMPTS):
            try:
                await uninterrupted(jetstream.publish(message.subject, message.raw))
                break
            except (NatsError, TimeoutError, Unavailable):
                # It may be stored nevertheless: then this makes a duplicate, as services do.
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.5)
        slots.release()

    async with asyncio.TaskGroup() as tasks:
        for message in messages:
            await slots.acquire()
            tasks.create_task(acknowledged(message))


class Payers:
    """Plays payment stories over HTTP; `token` makes a tenant's bearer token."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        token: Callable[[str], str],
        answered: dict[tuple[str, str], int] | None = None,
    ) -> None:
        self._session, self._url = session, url
        self._token = token
        self.answered = {} if answered is None else answered
        """The last status that each command was answered with, by (tenant, event id)."""
        self._tokens: dict[str, str] = {}

    def at(self, url: str) -> "Payers":
        """The same payers at another worker."""
        return Payers(self._session, url, self._token, self.answered)

    async def play(self, stories: Sequence[Story], *, within_s: float, first: int = 0) -> None:
        """Play all stories, some at a time; each until its payment has an end.

        `first` numbers them on from those played before: the number is in their keys.
        """
        slots = asyncio.Semaphore(PAYERS)

        async def one(number: int, story: Story) -> None:
            async with slots:
                await self._story(number, story)

        async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
            for number, story in enumerate(stories, first):
                tasks.create_task(one(number, story))

    async def _story(self, number: int, story: Story) -> None:
        wish = {"order_id": story.order_id, "currency": story.currency}
        if story.amount is not None:
            wish["amount"] = story.amount
        intent = await self._command(story, "intents", f"story-{number}-intent", wish, 201)
        payment_id = intent["payment_id"]
        confirm = {"payment_id": payment_id, "method": "instant"}
        await self._command(story, "confirm", f"story-{number}-confirm", confirm, 202)
        if story.doubled:
            key = f"story-{number}-again"
            status, _, body = await self.post(story.tenant_id, "confirm", key, confirm)
            if status != 409:
                raise NotAccepted(f"a second confirmation was answered {status}: {body}")
        await self._ended(story, payment_id)

    async def _command(
        self, story: Story, name: str, key: str, body: dict[str, str], wanted: int
    ) -> dict[str, Any]:
        status, _, answer = await self.post(story.tenant_id, name, key, body)
        if status != wanted:
            raise NotAccepted(f"{name} of order {story.order_id} was answered {status}: {answer}")
        if story.retried:
            again, headers, repeated = await self.post(story.tenant_id, name, key, body)
            replayed = headers.get("Idempotency-Replayed")
            if (again, repeated, replayed) != (status, answer, "true"):
                raise NotAccepted(f"a retry of {name} was answered {again} {replayed}: {repeated}")
        return answer

    async def post(
        self, tenant_id: str, name: str, key: str, body: dict[str, str]
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """POST a payment command until it is decided: (status, headers, body)."""
        path = f"/api/v1/payments/{name}"
        url, headers = self._url + path, {"Idempotency-Key": key, **self.headers(tenant_id)}
        command = tenant_id, http_event_id(tenant_id, f"POST {path}", key)
        for _ in range(ATTEMPTS):
            try:
                async with self._session.post(url, json=body, headers=headers) as response:
                    if response.status not in {429, 503}:
                        answer = await response.json()
                        if response.status in _DECIDED:
                            self.answered[command] = response.status
                        return response.status, dict(response.headers), answer
            except aiohttp.ClientConnectionError:
                pass  # the worker died on it, or is not there: the key makes asking again safe
            await asyncio.sleep(0.5)
        raise NotAccepted(f"{url} was not available {ATTEMPTS} times")

    async def get(self, tenant_id: str, path: str) -> dict[str, Any]:
        """GET a path of the tenant's, when it is available."""
        url = f"{self._url}/api/v1/{tenant_id}/{path}"
        for _ in range(ATTEMPTS):
            try:
                async with self._session.get(url, headers=self.headers(tenant_id)) as response:
                    if response.status == 200:
                        answer: dict[str, Any] = await response.json()
                        return answer
                    if response.status not in {429, 503}:
                        raise NotAccepted(f"{url} was answered {response.status}")
            except aiohttp.ClientConnectionError:
                pass  # as above
            await asyncio.sleep(0.5)
        raise NotAccepted(f"{url} was not available {ATTEMPTS} times")

    def headers(self, tenant_id: str) -> dict[str, str]:
        """Who asks."""
        if tenant_id not in self._tokens:
            self._tokens[tenant_id] = self._token(tenant_id)
        return {"Authorization": f"Bearer {self._tokens[tenant_id]}"}

    async def _ended(self, story: Story, payment_id: str) -> None:
        wanted = "requires_action" if story.declined else "succeeded"
        while True:
            payment = await self.get(story.tenant_id, f"payments/intents/{payment_id}")
            if payment["status"] == wanted and (payment["failure"] or not story.declined):
                return
            if payment["status"] != "processing":
                is_now = f"{payment['status']} ({payment['failure']})"
                raise NotAccepted(f"payment {payment_id} is {is_now}, not {wanted}")
            await asyncio.sleep(0.05)


async def one_answer(workers: Sequence[Payers], tenant_id: str) -> list[str]:
    """I14: what is wrong with the answers to one command that is sent many times at once.

    It goes to all `workers` in turn. Each answer is that of the first, or 409 meanwhile.
    """
    key = f"at-once-{len(workers[0].answered)}"
    answers = await asyncio.gather(
        *(
            workers[number % len(workers)].post(tenant_id, "intents", key, {"amount": "100"})
            for number in range(SAME_KEY)
        )
    )
    given = [(status, body) for status, _, body in answers if status != 409]
    if given and all(answer == given[0] for answer in given):
        return []
    return [f"I14: {SAME_KEY} requests under key {key} of {tenant_id} were answered {answers}"]
