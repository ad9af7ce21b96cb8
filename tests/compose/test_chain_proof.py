"""`treasury proof verify`: what a file proves that comes from anybody."""

import msgspec
import pytest

from compose.chain_proof import verified
from connectors.chain.proof import Anchored, anchor_data, canonical, files
from connectors.chain.signing import Transaction, address_of, signed
from streams import merkle

KEY = "0x" + "11" * 32
OWN = address_of(KEY)
LINES = [{"id": "s-1", "kind": "settlement"}, {"id": "p-1", "kind": "payment"}]


@pytest.fixture
def proof() -> dict:
    root = merkle.root([canonical(each) for each in LINES])
    made = signed(Transaction(137, 0, OWN, 0, anchor_data(root), 30_000, 10, 1), KEY)
    anchored = Anchored(137, made.tx_hash, "0x" + "ab" * 32, made.raw)
    return msgspec.json.decode(files(LINES, anchored)[1])


async def said(tmp_path, proof, **asked):
    path = tmp_path / "proof.json"
    path.write_bytes(msgspec.json.encode(proof))
    return await verified(path, **asked)


async def test_who_signed_the_root_is_in_the_file(tmp_path, proof):
    found = await said(tmp_path, proof)
    assert (found["holds"], found["signer"].lower(), found["seen_by_node"]) == (True, OWN, False)
    assert (await said(tmp_path, proof, signer=OWN))["holds"]
    assert not (await said(tmp_path, proof, signer="0x" + "5a" * 20))["holds"]


async def test_a_root_that_nobody_has_signed_proves_nothing(tmp_path, proof):
    found = await said(tmp_path, proof | {"transaction": ""})
    assert found == {
        "holds": False,
        "why": "it has no transaction, and no node was asked: anybody can make a root",
    }
