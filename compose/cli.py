"""The command line: every operation of the service, for people and (with --json) for programs.

Exit codes: 0 done, 1 a difference or a failed check (of a worker: its event loop stood still), 2
wrong usage, 70 failed, 75 another worker owns it, 78 an operator must act, 130 interrupted.
"""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from aiokafka.errors import KafkaError
from asyncpg import PostgresError
from nats.errors import Error as NatsError
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agents.roles.process import EXIT_REFUSED, exit_code
from compose.local.processes import StartError
from streams.errors import TreasuryError

app = typer.Typer(
    name="treasury",
    help="The money service: real events in, exact balances out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
dead_letters_app = typer.Typer(help="What was refused, and deciding it again.")
app.add_typer(dead_letters_app, name="dead-letters")
keys_app = typer.Typer(help="The keys that secrets are sealed under.")
app.add_typer(keys_app, name="keys")

proof_app = typer.Typer(help="Proofs of settlements, which anybody can check.")
app.add_typer(proof_app, name="proof")

# Piped output is for other programs: it is as wide as it needs to be.
out = Console(width=None if sys.stdout.isatty() else 400)
err = Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
T = TypeVar("T")


def main() -> None:
    """Run the command line; our own errors become one line and an exit code."""
    try:
        app()
    except ValidationError as error:
        for wrong in error.errors(include_input=False, include_url=False, include_context=False):
            name = "_".join(str(part) for part in wrong["loc"]).upper()
            err.print(f"[red]setting TREASURY_{name}[/red]: {wrong['msg']}", highlight=False)
        sys.exit(EXIT_REFUSED)
    except (TreasuryError, StartError, KafkaError, NatsError, PostgresError, OSError) as error:
        err.print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False)
        sys.exit(exit_code(error))


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _show(value: object, *, as_json: bool, title: str = "", none: str = "nothing") -> None:
    """Print records as a table, or `none` where there are none; with `as_json` as JSON."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
        return
    rows = value if isinstance(value, list) else [value]
    if not rows:
        out.print(none)
        return
    plain = [msgspec.to_builtins(row, builtin_types=(bytes,)) for row in rows]
    if not isinstance(value, list):
        plain = [{"what": name, "value": cell} for name, cell in plain[0].items()]
    table = Table(title=title or None)
    for name in plain[0]:
        table.add_column(name, overflow="fold")  # an id that is cut cannot be used
    for row in plain:
        table.add_row(*(Text(str(cell)) for cell in row.values()))
    out.print(table)


def _settings() -> Any:
    """The settings of the installation this shell points at (environment, else ./.treasury)."""
    from compose.credentials import resolved
    from compose.local.installed import settings_here

    return _run(resolved(settings_here()))


# -- running -------------------------------------------------------------------------------------


@app.command()
def up(
    home: Annotated[Path, typer.Option(help="Where data, keys and logs live.")] = Path(".treasury"),
    kafka: Annotated[str, typer.Option(help="embedded or apache")] = "embedded",
    workers: Annotated[int, typer.Option(min=1, max=8)] = 1,
    partitions: Annotated[int, typer.Option(min=1, max=64)] = 8,
    port: Annotated[int, typer.Option(min=1, max=65_000, help="Port of the first worker.")] = 8080,
) -> None:
    """Start everything on this machine and stop it again on Ctrl-C."""
    from compose.up import Local
    from compose.up_screen import run_up

    if kafka not in {"embedded", "apache"}:
        raise typer.BadParameter("embedded or apache", param_hint="--kafka")
    local = Local(
        home.resolve(), "apache" if kafka == "apache" else "embedded", partitions, workers, port
    )
    raise typer.Exit(_run(run_up(local, out)))


@app.command()
def worker() -> None:
    """Run one worker from the environment's settings (TREASURY_…)."""
    from compose.serve import serve
    from compose.settings import Settings

    raise typer.Exit(serve(Settings()))


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring the database schema to this release."""
    from compose.serve import migrate_database

    applied = [{"applied": name} for name in _run(migrate_database(_settings()))]
    _show(applied, as_json=as_json, none="the schema is this release's already")


@app.command()
def topics(as_json: Json = False) -> None:
    """Create the topics of a new cluster, or check those of an old one."""
    from compose.topics import prepare_topics

    done = [{"done": line} for line in _run(prepare_topics(_settings()))]
    _show(done, as_json=as_json, none="all topics are there, as this release needs them")


@app.command()
def specs() -> None:
    """Write web/openapi.json and web/asyncapi.json anew, from the routes and the catalog."""
    from web.specs import write_specs

    for path in write_specs():
        print(path)


@app.command()
def demo(
    events: Annotated[int, typer.Option(min=1)] = 20_000,
    seed: Annotated[int, typer.Option()] = 1,
    kafka: Annotated[str, typer.Option(help="embedded or apache")] = "embedded",
    as_json: Json = False,
) -> None:
    """Send a seeded month of events through a throw-away stack and compare with a model."""
    from compose.demo import run_demo

    equal = _run(run_demo(events=events, seed=seed, kafka=kafka, json_output=as_json))
    raise typer.Exit(0 if equal else 1)


@keys_app.command("rotate")
def keys_rotate(as_json: Json = False) -> None:
    """Give every secret a new data key now, under the current master key."""
    from compose.keys import rotate_keys

    rotated = _run(rotate_keys(_settings()))
    _show(rotated, as_json=as_json)
    raise typer.Exit(1 if rotated.unreadable else 0)


@keys_app.command("status")
def keys_status(as_json: Json = False) -> None:
    """Which master keys seal how many secrets, and the age of the oldest data key."""
    from compose.keys import status_of_keys

    _show(_run(status_of_keys(_settings())), as_json=as_json, none="no secret is stored")


@keys_app.command("new")
def keys_new() -> None:
    """Print a new random master key."""
    from compose.settings import new_master_key

    print(new_master_key())


# -- looking -------------------------------------------------------------------------------------


@app.command()
def verify(
    partition: Annotated[int | None, typer.Option(help="Only this partition.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="At most one per core unless said so.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fold the archived raw envelopes again, compare every byte, and audit the invariants."""
    from compose.proof import verify_all

    console = None if as_json else err
    proof = _run(verify_all(_settings(), partition, console, processes=processes))
    if as_json:
        _show(proof, as_json=True)
    else:
        _show(proof.partitions, as_json=False, title="Replay")
        _show(proof.invariants, as_json=False, title="Invariants")
        for line in (*proof.differences, *proof.violations):
            out.print(f"[red]broken[/red] {escape(str(line))}", highlight=False)
        out.print(
            f"{proof.events:,} events in {proof.seconds:.1f} s: {proof.events_per_s:,} events/s"
            f" in {proof.processes} processes",
            highlight=False,
        )
        out.print("[green]sound[/green]" if proof.sound else "[red]not sound[/red]")
    raise typer.Exit(0 if proof.sound else 1)


@app.command()
def replay(
    tenant: Annotated[str, typer.Argument(help="The tenant whose log is folded again.")],
    from_seq: Annotated[int, typer.Option(help="First journal record shown.")] = 0,
    to_seq: Annotated[int | None, typer.Option(help="Last journal record shown.")] = None,
    as_json: Json = False,
) -> None:
    """Fold a tenant's partition again; show its entries in a range and compare its balances."""
    from compose.proof import replay_tenant

    result = _run(replay_tenant(_settings(), tenant, from_seq, to_seq))
    _show(result.entries, as_json=False, title="Entries") if not as_json else None
    _show(result if as_json else result.balances, as_json=as_json, title="Balances")
    raise typer.Exit(0 if result.equal else 1)


@app.command()
def trace(
    event_id: Annotated[str, typer.Argument()],
    tenant: Annotated[str, typer.Option(help="The event's tenant.")],
    as_json: Json = False,
) -> None:
    """One event's life: decided, posted, emitted, delivered; its calls are in GET …/events/ID."""
    from compose.inspect import life_of

    found = _run(life_of(_settings(), tenant, event_id))
    if not found:
        err.print("no such event")
        raise typer.Exit(1)
    _show(found, as_json=as_json, title=event_id)


@app.command()
def tail(
    count: Annotated[int, typer.Option(min=1, help="Stop after so many events.")] = 10_000,
    seconds: Annotated[float, typer.Option(help="Stop after so long.")] = 3600.0,
) -> None:
    """Follow the outbound events, one JSON object a line."""
    from compose.inspect import tail_events

    _run(tail_events(_settings(), count, seconds, sys.stdout))


@app.command()
def send(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="NDJSON; - is standard input.")],
    as_json: Json = False,
) -> None:
    """Send envelopes through NATS as a sister service would; exit code 1 if a line is refused."""
    from compose.inspect import send_lines

    result = _run(send_lines(_settings(), file))
    _show(result, as_json=as_json)
    raise typer.Exit(1 if result["refused"] else 0)


# -- repairing -----------------------------------------------------------------------------------


@app.command()
def restore() -> None:
    """Begin new journals from the archive, after a loss of Kafka. Stop all workers first."""
    from compose.repair import restore as go

    _run(go(_settings(), _tell))


@app.command()
def rebase(
    partition: Annotated[list[int] | None, typer.Option(help="Only these partitions.")] = None,
) -> None:
    """Go on with a new inbound log, from its first record. Stop all workers first."""
    from compose.repair import rebase as go

    settings = _settings()
    _run(go(settings, partition or list(range(settings.partitions)), _tell))


@app.command()
def thaw(tenant: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Let a tenant go on that was frozen because its handlers kept raising."""
    from compose.inspect import thaw as ask

    _show(_run(ask(_settings(), tenant)), as_json=as_json)


@dead_letters_app.command("list")
def dead_letters_list(
    tenant: Annotated[str | None, typer.Option()] = None,
    reason: Annotated[str | None, typer.Option(help="Begins with.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """The newest dead letters."""
    from compose.inspect import dead_letters

    _show(_run(dead_letters(_settings(), tenant, reason, limit)), as_json=as_json)


@dead_letters_app.command("show")
def dead_letters_show(
    number: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False
) -> None:
    """One dead letter with its raw bytes."""
    from compose.inspect import dead_letter

    found = _run(dead_letter(_settings(), number))
    if found is None:
        err.print("no such dead letter")
        raise typer.Exit(1)
    _show(found, as_json=as_json)


@dead_letters_app.command("redrive")
def dead_letters_redrive(
    number: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False
) -> None:
    """Decide a rejected event once more; one that was applied since stays applied once."""
    from compose.inspect import redrive

    _show(_run(redrive(_settings(), number)), as_json=as_json)


@proof_app.command("verify")
def verify_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    *,
    node: Annotated[str, typer.Option(help="Address of a node that is asked, too.")] = "",
    confirmations: Annotated[
        int | None, typer.Option(min=1, help="For the node; the chain's own number if not given.")
    ] = None,
    signer: Annotated[str, typer.Option(help="The wallet that must have signed it.")] = "",
    as_json: Json = False,
) -> None:
    """Check the proof of one line, by itself; exits 1 if it does not hold."""
    from compose.chain_proof import verified

    found = _run(verified(file, node=node, confirmations=confirmations, signer=signer))
    _show(found, as_json=as_json)
    if not found["holds"]:
        raise typer.Exit(1)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="One of them, all, or list.")] = "list",
    *,
    events: Annotated[int | None, typer.Option(min=100, help="Instead of its own size.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Of what is timed by a clock.")] = 20.0,
    minutes: Annotated[float, typer.Option(min=0, help="Of memory's soak.")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, max=8, help="Ours, and the peer's.")] = 2,
    tenants: Annotated[int, typer.Option(min=3)] = 1_000,
    peer: Annotated[bool, typer.Option(help="Measure plain Faust as well.")] = True,
    as_json: Json = False,
) -> None:
    """Measure; prints one object per bench."""
    from compose.bench import BENCHES, Options, run_bench

    if name == "list":
        listed = [
            {"bench": bench, "what": each.what, "gate": each.gate}
            for bench, each in BENCHES.items()
        ]
        _show(listed, as_json=as_json)
        return
    options = Options(
        events=events,
        seconds=seconds,
        minutes=minutes,
        workers=workers,
        tenants=tenants,
        peer=peer,
    )
    _show(run_bench(name, options, _tell), as_json=as_json)


@app.command()
def trigger(
    name: Annotated[str, typer.Argument(help="One of them, or list.")] = "list",
    parameters: Annotated[
        list[str] | None, typer.Argument(help="name=value, such as amount=1500")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Make something happen at the fakes of a local installation, which then tell of it."""
    from compose.sandbox import Sandbox
    from compose.triggers import trigger

    triggers = Sandbox().triggers.all
    if name == "list":
        listed = [
            {"trigger": known, "parameters": " ".join(each.needs), "what": each.words}
            for known, each in triggers.items()
        ]
        _show(listed, as_json=as_json)
        return
    if name not in triggers:
        raise typer.BadParameter(f"one of {', '.join(triggers)}", param_hint="NAME")
    said = dict(text.partition("=")[::2] for text in parameters or [])
    if set(said) != set(triggers[name].needs):
        needs = " ".join(f"{need}=…" for need in triggers[name].needs)
        raise typer.BadParameter(f"{name} needs {needs}", param_hint="PARAMETERS")
    happened = _run(trigger(_settings().sandbox_url, name, said))
    _show({"happened": happened}, as_json=as_json)


def _tell(line: str) -> None:
    err.print(line, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
