"""Small loads of a run, and what an installation made of one, beside the model."""

from compose import seeing
from compose.bench.journal import read_journal
from compose.bench.load import make_load
from compose.bench.stack import Installation
from compose.messaging import nats_client
from tables.postgres.pool import open_pool
from tests.e2e.cluster import seed_of_run
from tests.model.generator import Load

TENANTS = 20


def load_of_run(number: int, events: int = 800) -> Load:
    """The `number`-th load of this run: each has tenants of its own."""
    return make_load(events, TENANTS, seed_of_run() + number)


async def balances(home: Installation, load: Load) -> dict[tuple[str, str, str], int]:
    """Of the load's tenants by all postings in the journal, once nothing waits any more."""
    async with (
        nats_client(home.settings.nats) as client,
        await open_pool(home.settings.archiver_dsn, max_size=1) as pool,
    ):
        await seeing.decided(client, pool, within_s=60)
    found = (await read_journal(home.settings, {}, {})).balances
    mine = {tenant.tenant_id for tenant in load.tenants}
    return {key: minor for key, minor in found.items() if minor and key[0] in mine}
