"""RFC 6962 trees: known roots, and that a path proves its leaf and no other."""

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams import merkle

# external-apis.md, section 6: roots of RFC 6962 over SHA-256
ROOTS = [
    ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ([b"a"], "022a6979e6dab7aa5ae4c3e5e45f7e977112a7e63593820dbec1ec738a24f93c"),
    ([b"a", b"b"], "b137985ff484fb600db93107c77b0365c80d78f5b429ded0fd97361d077999eb"),
    ([b"a", b"b", b"c"], "36642e73c2540ab121e3a6bf9545b0a24982cd830eb13d3cd19de3ce6c021ec1"),
]
distinct = st.lists(st.binary(max_size=8), min_size=1, max_size=40, unique=True)


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word: split at the largest power of two below n."""
    if len(leaves) <= 1:
        hashed = b"".join(b"\x00" + each for each in leaves)
        return hashlib.sha256(hashed).digest()
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    both = by_definition(leaves[:half]) + by_definition(leaves[half:])
    return hashlib.sha256(b"\x01" + both).digest()


@st.composite
def proofs(draw):
    """(leaves, index) of distinct leaves."""
    leaves = draw(distinct)
    return leaves, draw(st.integers(0, len(leaves) - 1))


def turns(index: int, size: int) -> list[bool]:
    """By the definition: at each step up from a leaf, whether it came from the right."""
    if size == 1:
        return []
    half = 1 << ((size - 1).bit_length() - 1)
    if index < half:
        return [*turns(index, half), False]
    return [*turns(index - half, size - half), True]


class TestRoots:
    @pytest.mark.parametrize(("leaves", "root"), ROOTS)
    def test_are_those_of_the_standard(self, leaves, root):
        assert merkle.root(leaves).hex() == root

    @given(st.lists(st.binary(max_size=8), max_size=70))
    def test_are_those_of_its_definition(self, leaves):
        assert merkle.root(leaves) == by_definition(leaves)

    @given(distinct)
    def test_differ_when_the_last_leaf_comes_twice(self, leaves):
        """In a tree that doubles its odd leaf these two lists would share a root."""
        assert merkle.root(leaves) != merkle.root([*leaves, leaves[-1]])

    @given(distinct)
    def test_differ_when_the_order_does(self, leaves):
        assume(len(leaves) > 1)
        assert merkle.root(leaves) != merkle.root(leaves[::-1])

    def test_of_a_node_passed_off_as_a_leaf_is_another(self):
        inner = b"".join(merkle.root([each]) for each in (b"a", b"b"))
        assert merkle.root([inner]) != merkle.root([b"a", b"b"])


class TestPaths:
    @given(distinct)
    def test_prove_every_leaf(self, leaves):
        root = merkle.root(leaves)
        found = merkle.paths(leaves)
        for index, leaf in enumerate(leaves):
            assert merkle.path(leaves, index) == found[index]
            assert merkle.verify(leaf, index, len(leaves), found[index], root)

    def test_of_no_leaves_are_none(self):
        assert merkle.paths([]) == []

    @pytest.mark.parametrize("index", [-1, 2])
    def test_of_a_leaf_that_is_not_there_are_refused(self, index):
        with pytest.raises(IndexError):
            merkle.path([b"a", b"b"], index)

    @given(proofs(), st.binary(max_size=8))
    def test_do_not_prove_another_leaf(self, proof, other):
        leaves, index = proof
        assume(other != leaves[index])
        path, root = merkle.path(leaves, index), merkle.root(leaves)
        assert not merkle.verify(other, index, len(leaves), path, root)

    @given(proofs(), st.data())
    def test_prove_nothing_once_changed(self, proof, data):
        leaves, index = proof
        path, root = merkle.path(leaves, index), merkle.root(leaves)
        changed = data.draw(st.sampled_from(list(changes_of(path))))
        assert not merkle.verify(leaves[index], index, len(leaves), changed, root)

    @given(proofs(), st.integers(-3, 45))
    def test_do_not_prove_another_index(self, proof, other):
        leaves, index = proof
        assume(other != index)
        path, root = merkle.path(leaves, index), merkle.root(leaves)
        assert not merkle.verify(leaves[index], other, len(leaves), path, root)

    @given(proofs(), st.integers(-3, 90))
    def test_prove_another_size_only_where_it_has_the_same_turns(self, proof, other):
        """RFC 6962 takes the size from who signs it: from a leaf some sizes look alike."""
        leaves, index = proof
        path, root = merkle.path(leaves, index), merkle.root(leaves)
        alike = index < other and turns(index, other) == turns(index, len(leaves))
        assert merkle.verify(leaves[index], index, other, path, root) == alike

    @given(proofs(), st.binary(min_size=32, max_size=32))
    def test_do_not_lead_to_another_root(self, proof, other):
        leaves, index = proof
        path = merkle.path(leaves, index)
        assert not merkle.verify(leaves[index], index, len(leaves), path, other)

    def test_do_not_prove_the_doubled_last_leaf(self):
        """The attack on trees that double it: a fourth leaf of a list of three."""
        leaves = [b"a", b"b", b"c"]
        root, path = merkle.root(leaves), merkle.path([*leaves, b"c"], 3)
        assert not merkle.verify(b"c", 3, 4, path, root)


def changes_of(path):
    """Paths that differ from this one by a hash, a bit or a length."""
    yield (*path, bytes(32))
    yield (bytes(32), *path)
    for at, each in enumerate(path):
        yield (*path[:at], *path[at + 1 :])
        yield (*path[:at], bytes([each[0] ^ 1]) + each[1:], *path[at + 1 :])
        yield (*path[:at], each[:-1], *path[at + 1 :])
        yield (*path[:at], each + b"\x00", *path[at + 1 :])
