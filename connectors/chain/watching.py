"""One look at a chain: from what is known to what is known then, and what that means for money.

Nothing is kept here. A round that raises has changed nothing, and is simply done again; one whose
state was lost is told again with the same keys and blocks.
"""

from connectors.chain.client import Client
from connectors.chain.config import Config
from connectors.chain.following import (
    Seen,
    State,
    agrees,
    due,
    final_number,
    grown,
    linked,
    rolled_back,
    settled,
)
from connectors.chain.translate import Block, Moved


async def begin(client: Client, config: Config) -> State:
    """The state that follows the chain from its next block on. Raises a `CallError`."""
    return State.begun(config.chain_id, (await client.view()).head + 1)


async def begin_at(client: Client, config: Config, since_s: int) -> State:
    """The state that follows the chain from its first block of a time on (Unix, seconds).

    So what is paid between the moment in which a wallet is said and the first round is seen,
    however late that round is. Raises a `CallError`.
    """
    low, high = 0, (await client.view()).head + 1
    while low < high:
        middle = (low + high) // 2
        [block] = await client.heads([middle])
        low, high = (middle + 1, high) if block.time_s < since_s else (low, middle)
    return State.begun(config.chain_id, low)


async def genesis(client: Client) -> str:
    """The hash of the first block, which is the chain's own name. Raises a `CallError`."""
    [block] = await client.heads([0])
    return block.hash


async def follow(client: Client, config: Config, state: State) -> tuple[State, tuple[Seen, ...]]:
    """One round: the next state, and what counts now or does not any more, in this order.

    A node that is behind what we know says nothing. Raises a `CallError`, and ValueError for the
    state of another chain.
    """
    if state.chain_id != config.chain_id:
        raise ValueError(f"the state is of chain {state.chain_id}, not {config.chain_id}")
    view = await client.view(state.tip if state.blocks else None)
    if view.head < state.tip:
        return state, ()
    gone: tuple[Seen, ...] = ()
    if not agrees(state, view.at):
        theirs = await client.heads([each.number for each in state.blocks])
        state, gone = rolled_back(state, theirs)
    state = await _read_on(client, config, state, view.head)
    final = final_number(config, state, view.finalized)
    state = await _read_again(client, config, state, final)
    hashes = list(dict.fromkeys(each.tx_hash for each in due(state, final)))
    receipts = dict(zip(hashes, await client.receipts(hashes), strict=True))
    state, counts = settled(config, state, final, receipts)
    return state, (*gone, *counts)


async def _read_on(client: Client, config: Config, state: State, head: int) -> State:
    """The state with the next blocks, and what they show of our money."""
    first, last = state.tip + 1, min(head, state.tip + config.blocks_a_round)
    blocks, natives = await _blocks(client, config, range(first, last + 1))
    blocks = linked(state, blocks)
    last = state.tip + len(blocks)
    moved = [each for each in natives if each.block_number <= last]
    if config.tokens and first <= last:
        moved += await client.transfers(config.contracts, config.wallets, first, last)
    return grown(config, state, blocks, moved)


async def _read_again(client: Client, config: Config, state: State, final: int) -> State:
    """The state with what the blocks that count from now on hold of tokens.

    Each is named by its hash, so that a node that lacks it cannot answer that it holds nothing:
    what was not shown at first sight is found before its block is left behind.
    """
    hashes = [each.hash for each in state.blocks if state.final < each.number <= final]
    if not config.tokens or not hashes:
        return state
    moved = await client.transfers_of(config.contracts, config.wallets, hashes)
    return grown(config, state, (), moved)


async def _blocks(
    client: Client, config: Config, numbers: range
) -> tuple[tuple[Block, ...], list[Moved]]:
    """Blocks, and what their transactions move where the chain's own currency is taken."""
    if config.native is None:
        return tuple(await client.heads(numbers)), []
    whole = await client.blocks(numbers)
    return tuple(block for block, _ in whole), [each for _, moved in whole for each in moved]
