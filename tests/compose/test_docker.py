"""The image and the compose file, read as data: what can be held to without a container engine."""

import asyncio
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from compose.local.nats import nats_server_path
from compose.settings import Settings, new_master_key

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "compose" / "docker"
DEPLOYMENT = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = DEPLOYMENT["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
EVERY_SERVICE = pytest.mark.parametrize("name", sorted(SERVICES))
OPTIONAL = {"TREASURY_AUTH_API_KEY"}
"""A secret without which the worker serves: of a service that need not be there."""
LOCKS = ["requirements.lock", "requirements-dev.lock", "compose/docker/requirements.lock"]


def pins(lock: str) -> set[str]:
    """The `name==version` of every requirement of a lock file."""
    return set(re.findall(r"^[\w.-]+==\S+", (PROJECT / lock).read_text(), re.MULTILINE))


class TestComposeFile:
    def test_runs_the_worker_and_its_three_services(self) -> None:
        assert set(SERVICES) == {"kafka", "nats", "postgres", "worker"}

    @EVERY_SERVICE
    def test_restarts_a_service_that_exits(self, name: str) -> None:
        assert SERVICES[name]["restart"] == "unless-stopped"

    @EVERY_SERVICE
    def test_asks_every_service_for_its_health(self, name: str) -> None:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
        assert SERVICES[name]["healthcheck"]["retries"] >= 3

    @EVERY_SERVICE
    def test_names_exact_image_versions(self, name: str) -> None:
        _, _, tag = SERVICES[name]["image"].rpartition(":")
        assert re.match(r"\d+\.\d+", tag)

    @EVERY_SERVICE
    def test_publishes_ports_on_loopback_only(self, name: str) -> None:
        for port in SERVICES[name].get("ports", []):
            assert port.startswith("127.0.0.1:")

    @EVERY_SERVICE
    def test_lets_no_process_gain_privileges(self, name: str) -> None:
        assert "no-new-privileges:true" in SERVICES[name]["security_opt"]

    @EVERY_SERVICE
    def test_keeps_data_on_named_volumes(self, name: str) -> None:
        sources = {volume.split(":")[0] for volume in SERVICES[name]["volumes"]}
        assert {source for source in sources if not source.startswith("./")} <= set(
            DEPLOYMENT["volumes"]
        )
        assert sources & set(DEPLOYMENT["volumes"])

    def test_the_worker_waits_until_its_services_are_healthy(self) -> None:
        waits = SERVICES["worker"]["depends_on"]
        assert set(waits) == {"kafka", "nats", "postgres"}
        assert {wait["condition"] for wait in waits.values()} == {"service_healthy"}

    def test_the_worker_is_not_root_and_cannot_write_its_image(self) -> None:
        worker = SERVICES["worker"]
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", worker["user"])
        assert worker["read_only"] is True
        assert worker["cap_drop"] == ["ALL"]

    @EVERY_SERVICE
    def test_every_secret_comes_from_the_environment_file(self, name: str) -> None:
        for key, value in SERVICES[name].get("environment", {}).items():
            if re.search("PASSWORD|KEY|SECRET|DSN", key) and key not in OPTIONAL:
                assert ":?" in value, f"{key} of {name} must be required from outside"

    def test_the_worker_can_serve_with_what_the_example_asks_for(self, monkeypatch) -> None:
        """An address beyond the container, an issuer whose keys are found, a schema and topics."""
        given = {"POSTGRES_PASSWORD": "pw", "TREASURY_ISSUER": "https://auth.example"}
        given["TREASURY_MASTER_KEY"] = new_master_key()
        for key, text in SERVICES["worker"]["environment"].items():
            said = re.sub(
                r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)\}", lambda m: given.get(m[1], m[2] or ""), text
            )
            monkeypatch.setenv(key, said)
        settings = Settings()
        assert settings.host == "0.0.0.0"
        assert settings.migrate_at_start
        assert "://" in settings.issuer
        assert settings.audience == "treasury"
        assert settings.app_dsn
        assert settings.gateway_settings == {}

    def test_the_example_names_every_secret_and_holds_none(self) -> None:
        wanted = set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text()))
        lines = (FOLDER / "secrets.env.example").read_text().splitlines()
        offered = {line.partition("=")[0]: line.partition("=")[2] for line in lines if "=" in line}
        assert wanted == set(offered)
        assert set(offered.values()) == {""}

    def test_kafka_never_invents_topics_or_unclean_leaders(self) -> None:
        settings = SERVICES["kafka"]["environment"]
        assert settings["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
        assert settings["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
        assert int(settings["KAFKA_MESSAGE_MAX_BYTES"]) > 16 * 1024 * 1024

    def test_kafka_is_the_version_the_tests_run_on(self) -> None:
        pom = (PROJECT / "compose" / "kafka" / "pom.xml").read_text()
        version = re.search(r"<kafka.version>(.+)</kafka.version>", pom)
        assert version is not None
        assert SERVICES["kafka"]["image"] == f"apache/kafka:{version[1]}"


class TestNatsConfiguration:
    def test_acknowledges_only_what_is_on_disk(self) -> None:
        text = (FOLDER / "nats.conf").read_text()
        assert "sync_interval: always" in text
        assert 'store_dir: "/data"' in text

    async def test_is_accepted_by_the_server(self) -> None:
        check = await asyncio.create_subprocess_exec(
            nats_server_path(), "-t", "-c", FOLDER / "nats.conf"
        )
        assert await check.wait() == 0


class TestDockerfile:
    def test_ends_as_an_unprivileged_user(self) -> None:
        last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
        assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", last_stage, re.MULTILINE)

    def test_runs_under_the_user_the_compose_file_names(self) -> None:
        assert f"USER {SERVICES['worker']['user']}" in DOCKERFILE

    def test_installs_only_what_the_lock_hashes(self) -> None:
        installs = re.findall(r"pip install (.+)", DOCKERFILE)
        assert len(installs) == 2
        assert "--require-hashes" in installs[0]
        assert {"--no-deps", "--no-build-isolation"} <= set(installs[1].split())

    def test_builds_on_exact_slim_images(self) -> None:
        images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        assert len(images) == 2
        assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", image) for image in images)

    def test_copies_only_what_exists_and_is_let_in(self) -> None:
        let_in = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
        copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in " ".join(copied).split():
            assert (PROJECT / source).exists()
            assert f"!{source.split('/')[0]}" in let_in


class TestLocks:
    @pytest.mark.parametrize("lock", LOCKS)
    def test_every_requirement_is_pinned_and_hashed(self, lock: str) -> None:
        text = (PROJECT / lock).read_text()
        requirements = re.findall(r"^[\w.-]+.*(?:\n +.*)*", text, re.MULTILINE)
        assert len(requirements) > 20
        for requirement in requirements:
            assert re.match(r"[\w.-]+==\S+", requirement)
            assert "--hash=sha256:" in requirement

    @pytest.mark.parametrize("lock", LOCKS)
    def test_names_no_host_and_no_path(self, lock: str) -> None:
        assert not re.search(r"://|--find-links|--index|file:| @ ", (PROJECT / lock).read_text())

    def test_the_smaller_locks_are_part_of_the_largest(self) -> None:
        service, local, everything = pins(LOCKS[2]), pins(LOCKS[0]), pins(LOCKS[1])
        assert service < local < everything


class TestTheWheel:
    def test_holds_everything_that_is_read_at_run_time(self) -> None:
        """Every folder is a package; of its files only those the patterns name are held."""
        settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
        patterns = settings["tool"]["setuptools"]["package-data"]["*"]
        found = [
            path
            for package in ("agents", "streams", "tables", "connectors", "web")
            for path in (PROJECT / package).rglob("*")
            if path.is_file() and path.suffix not in {".py", ".pyc"}
        ]
        assert {path.suffix for path in found} >= {".sql", ".json", ".html", ".css"}
        left_out = [path for path in found if not any(path.match(each) for each in patterns)]
        assert left_out == []
