"""What decides imports no IO library, so that anyone can fold a log and get the same result."""

import subprocess
import sys

PROGRAM = """
import importlib, pkgutil, sys

for name in ("faust", "mode", "aiohttp", "asyncpg", "nats", "aiokafka", "rocksdict"):
    sys.modules[name] = None  # any import of it raises ImportError

import agents

names = [
    module.name
    for module in pkgutil.walk_packages(agents.__path__, "agents.")
    if not module.name.startswith("agents.roles")
]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


class TestPure:
    def test_every_module_of_agents_but_the_roles_imports_without_io(self):
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert int(ran.stdout) >= 15
