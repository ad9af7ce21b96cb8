"""README's walk through the API, as a reader copies it: every command in its order, by curl.

On the embedded stack; nothing about losing or doubling is claimed here.
"""

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import aiohttp
import pytest

from compose.local.accounts import temporary_folder
from compose.up import DEMO_TENANT, Local, Running, seed_demo

README = Path(__file__).parents[2] / "README.md"
BEGINS = ("curl ", "PAYMENT=$(curl ", "printf ", ".venv/bin/treasury trigger ")
"""What a block begins with that is said to a running installation."""
HERE, TREASURY = "http://127.0.0.1:8080", ".venv/bin/treasury"
STRICT = """set -euo pipefail
curl() {
  command curl --fail-with-body --silent --show-error "$@" || { code=$?; [ $code = 28 ]; }
  echo
}
"""
"""A refusal ends the walk; a stream ends by `--max-time` (28). PAYMENT is taken by a curl, too."""


def walk() -> str:
    """The blocks of README that are said to a running installation."""
    blocks = re.findall(r"(?:^    .*\n)+", README.read_text(), re.MULTILINE)
    lines = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]
    return "".join(block for block in lines if block.startswith(BEGINS))


class TestTheWalk:
    def test_is_all_of_readme_that_is_said_to_an_installation(self):
        text = README.read_text()
        for word in ("curl -", "treasury trigger "):
            told = [line for line in text.splitlines() if line.startswith("    ") and word in line]
            assert walk().count(word) == len(told) > 2

    @pytest.mark.timeout(600)
    async def test_is_answered_line_by_line(self):
        with temporary_folder("treasury-readme-") as folder:
            local = Local(folder / "home", "embedded", port=0)
            async with Running(local, print) as running:
                await running.ready()
                assert running.endpoints is not None
                assert await seed_demo(running.endpoints.nats)
                said = await self.by_bash(running)
                payment_id = re.findall(r"^payment=(\S+)$", said, re.MULTILINE)[-1]
                await self.succeeds(running, payment_id)
        assert "event: " in said
        assert '"whsec_' in said
        assert "account,currency" in said or "booked_on,effective_on" in said

    async def by_bash(self, running: Running) -> str:
        """Everything that the commands print."""
        treasury = f"{shlex.quote(sys.executable)} -m compose.cli"
        script = walk().replace(HERE, running.urls[0]).replace(TREASURY, treasury)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", f'{STRICT}{script}\necho "payment=$PAYMENT"\n'),
            cwd=README.parent,
            env={
                **os.environ,
                "TOKEN": running.token(DEMO_TENANT),
                "TREASURY_HOME": str(running.local.home),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        print(said)
        assert process.returncode == 0
        return said

    async def succeeds(self, running: Running, payment_id: str) -> None:
        """The payment that the walk began is paid, as README says."""
        headers = {"Authorization": f"Bearer {running.token(DEMO_TENANT)}"}
        url = f"{running.urls[0]}/api/v1/{DEMO_TENANT}/payments/intents/{payment_id}"
        async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(30):
            while True:
                async with session.get(url) as answer:
                    if (await answer.json())["status"] == "succeeded":
                        return
                await asyncio.sleep(0.1)
