"""A row changed in place would never be stored: rows are values, and are used as values."""

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec

import agents.services  # noqa: F401  brings every kind of row
from tables.row import Row

ROOT = Path(__file__).parents[2]
CHANGES = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
    *("update", "setdefault", "popitem", "add", "discard"),
}


def kinds(base: type[Row] = Row) -> Iterator[type[Row]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def mutable_members() -> set[str]:
    """Members of rows that hold a list, a dictionary or a set."""
    return {
        member.name
        for kind in kinds()
        for member in msgspec.structs.fields(kind)
        if str(member.type).startswith(("list", "dict", "set"))
    }


def changed_in_place(tree: ast.Module, members: set[str]) -> list[str]:
    """What a module does to such a member other than read it."""
    found = []
    for node in ast.walk(tree):
        target: ast.expr | None = None
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            target = node.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CHANGES
        ):
            target = node.func.value
        elif isinstance(node, ast.AugAssign):
            target = node.target
        if isinstance(target, ast.Attribute) and target.attr in members:
            found.append(ast.unparse(node))
    return found


def test_every_kind_is_frozen():
    found = list(kinds())
    assert len(found) >= 15
    assert [kind.__name__ for kind in found if not kind.__struct_config__.frozen] == []


def test_no_member_is_changed_in_place():
    members = mutable_members()
    assert {"unapplied", "metadata"} <= members
    for path in [*(ROOT / "agents").rglob("*.py"), *(ROOT / "tables").rglob("*.py")]:
        assert changed_in_place(ast.parse(path.read_text()), members) == [], path


def test_changes_in_place_would_be_found():
    program = "o.unapplied.append(1); p.metadata['a'] = 1; o.unapplied += [1]; del p.metadata['a']"
    assert len(changed_in_place(ast.parse(program), mutable_members())) == 4
    assert changed_in_place(ast.parse("[*o.unapplied, 1]"), mutable_members()) == []
