"""The tests bite: each guarantee is taken out of a copy of the product, and the copy goes red.

By the simulation, which is quick and knows no line of the product by heart.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PARTS = ("agents", "compose", "connectors", "streams", "tables", "tests", "web", "pyproject.toml")
WORLDS = "tests/simulation/test_simulation.py::test_worlds_end_in_the_books_of_the_model"
MANY = 2_000  # the first that goes wrong ends it
WITHIN_S = 300


@dataclass(frozen=True)
class Loss:
    """One guarantee, and the words of the product that are put in other words to lose it."""

    path: str
    words: str
    others: str


LOSSES = {
    "deduplication": Loss(
        "agents/decide.py", "before = self.seen.find(known)", "before = self.seen.find(b'')"
    ),
    "the claim is looked for before a batch counts": Loss(
        "agents/roles/journal_writer.py",
        "if not isinstance(found, Batch) or found.claim_id == chain.claim_id:",
        "if False:",
    ),
    "readers drop the batches of an older claim": Loss(
        "streams/journal.py",
        "if isinstance(record, Batch) and record.claim_id != self.claim_id:",
        "if False:",
    ),
    "a checkpoint waits for the changelog": Loss(
        "tables/checkpoint.py",
        "await self._acknowledged(future, count)",
        "self.next_offset += count",
    ),
    "a checkpoint holds what is committed only": Loss(
        "agents/roles/writer.py",
        "        self._pending.append(closed)\n",
        "        self._pending.append(closed)\n"
        "        self.unflushed |= {i.key: (record.seq, i.value) for i in images}\n",
    ),
    "rows are proven by their digest": Loss(
        "tables/recovery.py",
        'if working.digest != int.from_bytes(chain.digest, "big"):',
        "if False:",
    ),
    "the greater sequence number wins": Loss(
        "tables/recovery.py",
        'if int.from_bytes(value[:8], "big") >= store.seq_of(key)',
        "if True",
    ),
    "an inbound record is acknowledged after its commit": Loss(
        "agents/roles/writer.py",
        "        batch.done.append(mail.done)\n",
        "        mail.done()\n",
    ),
    "what is half decided goes on where it stood": Loss(
        "agents/roles/writer.py",
        "for arrival in opened.arrivals[self.next.index :]:",
        "for arrival in opened.arrivals:",
    ),
}


def _environment() -> dict[str, str]:
    """Ours, without what a run of all tests asks for."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TREASURY_")}
    return {**plain, "TREASURY_WORLDS": str(MANY)}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The product and its tests, to be spoiled."""
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, tmp_path / part, ignore=ignored)
        else:
            shutil.copy(source, tmp_path / part)
    return tmp_path


@pytest.mark.parametrize("guarantee", LOSSES)
def test_without_it_the_suite_is_red(copy, guarantee):
    loss = LOSSES[guarantee]
    path = copy / loss.path
    assert path.read_text().count(loss.words) == 1
    path.write_text(path.read_text().replace(loss.words, loss.others))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", WORLDS]
    done = subprocess.run(
        command,
        cwd=copy,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-2_000:]
    found = re.search(r"AssertionError: seed (\d+)", done.stdout)
    assert found, done.stdout[-2_000:]
    print(f"without it the world of seed {found[1]} went wrong")
