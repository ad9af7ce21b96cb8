"""`make test`: two halves of the tests side by side, as most of them wait for clocks and brokers.

One half are whole installations, which wait; the other is everything else. Each has services of its
own. With a path among the arguments only that is run, in one.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALLATIONS, FUZZ = "tests/e2e", "tests/e2e/test_fuzz.py"
NOTHING_FOUND = 5
"""pytest's exit code when no test fits, as with -k."""


def halves() -> tuple[list[str], list[str]]:
    """What each half runs; the fuzzer works where the others wait."""
    folders = sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").iterdir()
        if (path.is_dir() and (path / "__init__.py").exists() and path.name != "e2e")
        or (path.name.startswith("test_") and path.suffix == ".py")
    )
    return [INSTALLATIONS, f"--ignore={FUZZ}"], [*folders, FUZZ]


def _pytest(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", "-m", "not long", *arguments]


def main(arguments: Sequence[str]) -> int:
    """The exit code of both; the second half is shown once the first is over."""
    if any(
        not word.startswith("-") and Path(word.partition("::")[0]).exists() for word in arguments
    ):
        return subprocess.run(_pytest(arguments), check=False, cwd=ROOT).returncode
    first, second = halves()
    shown = ROOT / ".cache" / "second-half.log"
    with shown.open("wb") as log:
        other = subprocess.Popen(
            _pytest([*second, *arguments]),
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "TREASURY_HALF": ".2"},
        )
        code = subprocess.run(_pytest([*first, *arguments]), check=False, cwd=ROOT).returncode
        other.wait()
    print(shown.read_text(errors="replace"), flush=True)
    return worst(code, other.returncode)


def worst(*codes: int) -> int:
    """The exit code of several runs: one that found no test is a failure only if none found any."""
    found = [code for code in codes if code != NOTHING_FOUND]
    return max(found, key=abs) if found else NOTHING_FOUND


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
