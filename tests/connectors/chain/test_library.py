"""What the library that signs must not do to the process that imports it."""

import subprocess
import sys

import pytest

from connectors.reading import Unreadable, object_of

PROGRAM = """
import sys
before = sys.getrecursionlimit()
from connectors.chain.library import library
library()
assert sys.getrecursionlimit() == before, sys.getrecursionlimit()
from connectors.reading import Unreadable, object_of
try:
    object_of(b"[" * 200_000)
except Unreadable:
    print("refused")
"""


class TestTheLibrary:
    def test_leaves_deep_json_an_error_and_no_end_of_the_process(self):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (0, b"refused\n"), done.stderr.decode()


class TestDeepJson:
    @pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000])
    def test_is_unreadable(self, body):
        with pytest.raises(Unreadable):
            object_of(body)
