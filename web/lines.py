"""How lines of the route table are written: a command, a resource with its list."""

from agents.registry import HANDLED
from tables.row import Row
from web.api.resources import FILTERS, getting, listing
from web.bodies import body_of
from web.call import Route
from web.commands import commanding

API = "/api/v1"
TENANT = f"{API}/{{tenant}}"


def act(path: str, command: str, scope: str, summary: str, *, within: str = TENANT) -> Route:
    """POST of a command; its body is the command's own members but those in the path."""
    event_type = f"treasury.command.{command}"
    model = HANDLED[event_type].model
    named = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return Route(
        "POST",
        within + path,
        commanding(event_type),
        scope,
        model=body_of(model, *named),
        idempotent=True,
        summary=summary,
    )


def resource(path: str, kind: type[Row], member: str, scope: str, *filters: str) -> list[Route]:
    """GET of the list of a kind, and of one of it."""
    name = path.strip("/").replace("-", " ")
    return [
        collection(path, kind, scope, *filters),
        Route(
            "GET",
            f"{TENANT}{path}/{{{member}}}",
            getting(kind, member),
            scope,
            summary=f"Get one of the {name}.",
        ),
    ]


def collection(
    path: str, kind: type[Row], scope: str, *filters: str, within: str = TENANT
) -> Route:
    """GET of the list of a kind."""
    name = path.strip("/").replace("-", " ")
    return Route(
        "GET",
        within + path,
        listing(kind),
        scope,
        summary=f"List {name}, newest first.",
        filters=(*FILTERS, *filters),
        paged=True,
    )
