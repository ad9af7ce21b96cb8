"""Settlement proofs: what a file proves by itself, and what a node adds."""

import asyncio
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.chain import proof
from connectors.chain.nonces import InMemory
from connectors.chain.proof import Anchored, BadLeaf, BadProof, anchor_data, canonical, check
from connectors.chain.sending import Payment, Sender
from connectors.chain.signing import Transaction, address_of, signed
from streams import merkle

KEY, OTHER_KEY = "0x" + "11" * 32, "0x" + "22" * 32
BLOCK = "0x" + "b1" * 32
LEAVES = [
    {"settlement": f"s-{each}", "gross": "1500.00", "fees": {"mpesa": "22.40"}, "rows": ["a", "é"]}
    for each in range(5)
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
values = st.recursive(
    texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def anchored(leaves=LEAVES, key=KEY, **changes) -> Anchored:
    """The transaction that bears the root of these lines, as the wallet of a key signs it."""
    root = merkle.root([canonical(each) for each in leaves])
    made = Transaction(137, 0, address_of(key), 0, anchor_data(root), 30_000, 3, 1)
    sent = signed(replace(made, **changes), key)
    return Anchored(137, sent.tx_hash, BLOCK, sent.raw)


def files(**how) -> list[bytes]:
    return proof.files(LEAVES, anchored(**how))


def changed(file: bytes, **members) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(file) | members)


class TestLines:
    def test_have_one_form(self):
        line = {"b": "1500.00", "a": {"z": ["é\n"], "y": ""}}
        assert canonical(line) == '{"a":{"y":"","z":["é\\n"]},"b":"1500.00"}'.encode()
        assert canonical(dict(reversed(line.items()))) == canonical(line)

    @given(st.dictionaries(names, values, max_size=4))
    def test_are_read_back_and_written_the_same(self, line):
        assert canonical(msgspec.json.decode(canonical(line))) == canonical(line)

    @pytest.mark.parametrize(
        "line",
        [
            {"amount": 1500},
            {"amount": 1500.0},
            {"amount": None},
            {"amount": True},
            {"amount": b"1"},
            {"amount": {"minor": 1}},
            {"amounts": ["1", 2]},
            {"Amount": "1"},
            {"betrag_ü": "1"},
            {"": "1"},
            {"a b": "1"},
            {1: "1"},
            {"text": "\ud800"},
            ["1500.00"],
            "1500.00",
            5,
            None,
        ],
    )
    def test_of_anything_else_are_refused(self, line):
        with pytest.raises(BadLeaf):
            canonical(line)

    def test_that_are_too_deep_are_refused(self):
        line: dict = {"a": "1"}
        for _ in range(proof.MAX_DEPTH):
            line = {"a": line}
        with pytest.raises(BadLeaf, match="deep"):
            canonical(line)


class TestAnchors:
    def test_are_four_letters_a_version_and_the_root(self):
        assert anchor_data(bytes(32)).hex() == "54525359" + "01" + "00" * 32

    def test_are_of_32_bytes(self):
        with pytest.raises(ValueError, match="32"):
            anchor_data(b"")


class TestFiles:
    def test_prove_their_line_without_a_network(self):
        for line, file in zip(LEAVES, files(), strict=True):
            found = check(file)
            assert found.leaf == line
            assert found.signer == address_of(KEY)
            assert not found.anchored

    def test_of_one_line_have_no_path(self):
        [file] = proof.files(LEAVES[:1], anchored(LEAVES[:1]))
        assert msgspec.json.decode(file)["path"] == []
        assert check(file).leaf == LEAVES[0]

    def test_without_a_transaction_prove_the_path_alone(self):
        [file, *_] = proof.files(LEAVES, replace(anchored(), transaction=b""))
        assert check(file).signer == ""

    def test_hold_the_line_as_it_was_hashed(self):
        """Who checks it elsewhere needs SHA-256, and no JSON of their own."""
        held = msgspec.json.decode(files()[0])
        assert merkle.verify(
            held["leaf"].encode(),
            held["index"],
            held["size"],
            [bytes.fromhex(each) for each in held["path"]],
            bytes.fromhex(held["root"]),
        )

    @pytest.mark.parametrize(
        ("members", "why"),
        [
            ({"leaf": '{"gross":"1500.01"}'}, "path"),
            ({"leaf": '{"gross": "1500.00"}'}, "canonical"),
            ({"leaf": '{"gross":1500}'}, "line"),
            ({"leaf": '{"b":"1","a":"2"}'}, "canonical"),
            ({"leaf": '{"a":"1","a":"1"}'}, "canonical"),
            ({"leaf": "[]"}, "line"),
            ({"leaf": ""}, "line"),
            ({"index": 1}, "path"),
            ({"index": -1}, "path"),
            ({"size": 0}, "path"),
            ({"size": 100}, "path"),
            ({"path": []}, "path"),
            ({"path": ["00" * 32] * 3}, "path"),
            ({"path": ["00"]}, "path"),
            ({"root": "00" * 32}, "path"),
            ({"root": "xx"}, "root"),
            ({"chain_id": 1}, "another chain"),
            ({"tx_hash": "0x" + "00" * 32}, "another hash"),
            ({"tx_hash": "00"}, "tx_hash"),
            ({"block_hash": BLOCK.upper()}, "block_hash"),
            ({"transaction": "0x02"}, "cannot be read"),
            ({"transaction": "02"}, "cannot be read"),
            ({"format": "treasury-settlement-proof/2"}, "another format"),
            ({"more": "1"}, "no proof"),
            ({"index": "0"}, "no proof"),
        ],
    )
    def test_in_which_anything_is_changed_prove_nothing(self, members, why):
        with pytest.raises(BadProof, match=why):
            check(changed(files()[0], **members))

    @pytest.mark.parametrize("file", [b"", b"{}", b"[]", b"\xff", b"[" * 10_000, b"1" * 5_000])
    def test_that_are_none_prove_nothing(self, file):
        with pytest.raises(BadProof):
            check(file)

    def test_larger_than_any_are_not_read(self):
        with pytest.raises(BadProof, match="larger"):
            check(b" " * (proof.MAX_FILE_BYTES + 1))

    @given(st.data())
    def test_with_any_byte_changed_prove_nothing_else(self, data):
        file = FILE
        at = data.draw(st.integers(0, len(file) - 1))
        byte = data.draw(st.integers(0, 255).filter(lambda each: each != file[at]))
        try:
            found = check(file[:at] + bytes([byte]) + file[at + 1 :])
        except BadProof:
            return
        # What is left are the case of a hex digit, and the block, which is a node's to say.
        assert (found.leaf, found.root, found.signer) == (
            CHECKED.leaf,
            CHECKED.root,
            CHECKED.signer,
        )
        assert found.tx_hash == CHECKED.tx_hash

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"data": b"TRSY\x01" + bytes(32)}, "does not bear"),
            ({"data": b""}, "does not bear"),
            ({"value": 1}, "from a wallet to itself"),
            ({"to": "0x" + "bb" * 20}, "from a wallet to itself"),
            ({"chain_id": 1}, "another chain"),
        ],
    )
    def test_with_a_transaction_of_another_kind_prove_nothing(self, changes, why):
        with pytest.raises(BadProof, match=why):
            check(files(**changes)[0])

    def test_name_another_signer_if_another_has_signed(self):
        """A proof of somebody else's is a proof; whose it is, is for the reader to compare."""
        assert check(files(key=OTHER_KEY)[0]).signer == address_of(OTHER_KEY)


FILE = files()[2]
CHECKED = check(FILE)


class TestOnAChain:
    async def anchor(self, node, client, config):
        sender = Sender(client, replace(config, private_key=KEY), InMemory())
        node.fund(sender.address, 10**18)
        root = merkle.root([canonical(each) for each in LEAVES])
        await sender.send("anchor-1", Payment(sender.address, 0, anchor_data(root)))
        node.mine(3)
        standing = await sender.standing("anchor-1")
        assert standing.result.outcome == "succeeded"
        sent = standing.signed
        return Anchored(config.chain_id, sent.tx_hash, standing.block_hash, sent.raw)

    async def test_a_root_is_written_and_every_line_is_proved(self, node, client, config):
        written = await self.anchor(node, client, config)
        said = await client.anchor_of(written.tx_hash)
        for file, line in zip(proof.files(LEAVES, written), LEAVES, strict=True):
            found = check(file, said)
            assert (found.anchored, found.leaf) == (True, line)

    async def test_what_is_in_no_block_is_no_anchor(self, client):
        assert await client.anchor_of("0x" + "77" * 32) is None

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"chain_id": 1}, "another transaction"),
            ({"tx_hash": "0x" + "00" * 32}, "another transaction"),
            ({"block_hash": "0x" + "00" * 32}, "another block"),
            ({"data": b""}, "does not bear"),
            ({"succeeded": False}, "did not succeed"),
            ({"succeeded": None}, "did not succeed"),
            ({"sender": "0x" + "bb" * 20}, "another signer"),
        ],
    )
    async def test_another_word_of_the_node_proves_nothing(
        self, node, client, config, changes, why
    ):
        written = await self.anchor(node, client, config)
        said = await client.anchor_of(written.tx_hash)
        file = proof.files(LEAVES, written)[0]
        with pytest.raises(BadProof, match=why):
            check(file, msgspec.structs.replace(said, **changes))


def test_no_loop_is_needed_to_check():
    """`check` is for anybody, anywhere: it is no coroutine."""
    assert not asyncio.iscoroutinefunction(check)
