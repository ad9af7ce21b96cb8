"""Cursors: what comes out goes in, at the same place only, and nothing else does."""

import pytest

from web.cursors import Cursors
from web.problems import Problem

CURSORS = Cursors(b"k" * 32)


class TestCursors:
    @pytest.mark.parametrize("after", [[0], [1767225600000123, "id/ü"], [1, 2**62, 3], ["", ""]])
    def test_give_back_the_sort_key(self, after):
        assert CURSORS.read("here", CURSORS.write("here", after)) == after

    def test_are_good_at_one_place_only(self):
        with pytest.raises(Problem):
            CURSORS.read("there", CURSORS.write("here", [1]))

    def test_are_good_under_one_key_only(self):
        with pytest.raises(Problem):
            Cursors(b"x" * 32).read("here", CURSORS.write("here", [1]))

    def test_any_changed_character_spoils_them(self):
        text = CURSORS.write("here", [1767225600000123, "payment"])
        for at in range(len(text) - 1):
            changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
            with pytest.raises(Problem):
                CURSORS.read("here", changed)

    @pytest.mark.parametrize("text", ["", "a", "!!!!", "é", "=", "A" * 5000, "../..", "\x00"])
    def test_refuse_what_is_none(self, text):
        with pytest.raises(Problem) as caught:
            CURSORS.read("here", text)
        assert caught.value.code == "bad-cursor"

    def test_need_a_real_key(self):
        with pytest.raises(ValueError, match="32"):
            Cursors(b"short")
