"""Lines of the route table for who may do what, and how a tenant is configured.

None of these moves money. But for settings, which decisions depend on, none enters the log: they
change rows of PostgreSQL, with a line of the audit log in the same transaction.
"""

from web import answers, schemas, scopes
from web.api import audit, configuration, keys, secrets, webhooks
from web.call import Route
from web.lines import API, TENANT, act
from web.schemas import paged

_SECRETS: tuple[Route, ...] = tuple(
    Route(
        method,
        f"{within}/secrets{rest}",
        handler,
        scope,
        model=secrets.PutSecretBody if method == "PUT" else None,
        summary=f"{words}{whose}",
        shows=answers.SECRET if rest else schemas.listed(answers.SECRET),
        tier=tier,
    )
    for within, tier, whose in (
        (f"{API}/platform", 0, " of the platform, for tenants that have none of their own."),
        (TENANT, 1, "."),
    )
    for method, rest, handler, scope, words in (
        ("GET", "", secrets.list_all, scopes.SECRETS_READ, "List the names of secrets"),
        ("GET", "/{name}", secrets.get, scopes.SECRETS_READ, "Look at a secret's version"),
        ("PUT", "/{name}", secrets.put, scopes.SECRETS_WRITE, "Set a secret"),
        ("DELETE", "/{name}", secrets.remove, scopes.SECRETS_WRITE, "Forget a secret"),
    )
)

_OF_KEYS: tuple[Route, ...] = (
    Route(
        "POST",
        f"{TENANT}/api-keys",
        keys.create,
        scopes.API_KEYS_WRITE,
        model=keys.CreateApiKeyBody,
        summary="Make an API key for a service; its secret is shown this once.",
        shows=answers.NEW_API_KEY,
    ),
    Route(
        "GET",
        f"{TENANT}/api-keys",
        keys.list_all,
        scopes.API_KEYS_READ,
        summary="List API keys, newest first.",
        shows=paged(answers.API_KEY),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/api-keys/{{key_id}}",
        keys.get,
        scopes.API_KEYS_READ,
        summary="Get an API key, without its secret.",
        shows=answers.API_KEY,
    ),
    Route(
        "POST",
        f"{TENANT}/api-keys/{{key_id}}/rotate",
        keys.rotate,
        scopes.API_KEYS_WRITE,
        model=keys.RotateApiKeyBody,
        summary="Give an API key a new secret; the one before stays good for `overlap_s` seconds.",
        shows=answers.NEW_API_KEY,
    ),
    Route(
        "DELETE",
        f"{TENANT}/api-keys/{{key_id}}",
        keys.revoke,
        scopes.API_KEYS_WRITE,
        summary="Revoke an API key.",
        shows=answers.API_KEY,
    ),
    Route(
        "GET",
        f"{TENANT}/audit-log",
        audit.list_lines,
        scopes.AUDIT_READ,
        summary="List who changed the configuration or asked for a command, newest first.",
        shows=paged(answers.AUDIT_LINE),
        filters=("actor", "action", "from", "to"),
        paged=True,
    ),
)

_CONFIGURATION: tuple[Route, ...] = (
    act(
        "/settings",
        "settings.change",
        scopes.SETTINGS_WRITE,
        "Change the choices that decisions depend on.",
    ),
    Route(
        "GET",
        f"{TENANT}/settings",
        configuration.get_settings,
        scopes.SETTINGS_READ,
        summary="The tenant and its choices.",
        shows=answers.TENANT_SETTINGS,
    ),
    *(
        Route(
            method,
            f"{TENANT}/configuration{rest}",
            handler,
            scope,
            model=configuration.PutValueBody if method == "PUT" else None,
            summary=summary,
            shows=answers.CONFIGURED if rest else schemas.listed(answers.CONFIGURED),
        )
        for method, rest, handler, scope, summary in (
            ("GET", "", configuration.list_all, scopes.SETTINGS_READ, "List plain configuration."),
            ("GET", "/{name}", configuration.get, scopes.SETTINGS_READ, "Get one value of it."),
            ("PUT", "/{name}", configuration.put, scopes.SETTINGS_WRITE, "Set a value."),
            ("DELETE", "/{name}", configuration.remove, scopes.SETTINGS_WRITE, "Forget a value."),
        )
    ),
)

_ENDPOINT = f"{TENANT}/webhook-endpoints/{{endpoint_id}}"
_WEBHOOKS: tuple[Route, ...] = (
    Route(
        "POST",
        f"{TENANT}/webhook-endpoints",
        webhooks.create,
        scopes.WEBHOOKS_WRITE,
        model=webhooks.EndpointBody,
        summary="Register an endpoint for our events; its secret is shown this once.",
        shows=answers.NEW_ENDPOINT,
    ),
    Route(
        "GET",
        f"{TENANT}/webhook-endpoints",
        webhooks.list_all,
        scopes.WEBHOOKS_READ,
        summary="List webhook endpoints, newest first.",
        shows=paged(answers.ENDPOINT),
        paged=True,
    ),
    Route(
        "GET",
        _ENDPOINT,
        webhooks.get,
        scopes.WEBHOOKS_READ,
        summary="Get a webhook endpoint, without its secret.",
        shows=answers.ENDPOINT,
    ),
    Route(
        "PUT",
        _ENDPOINT,
        webhooks.update,
        scopes.WEBHOOKS_WRITE,
        model=webhooks.EndpointBody,
        summary="Change where events go, and which.",
        shows=answers.ENDPOINT,
    ),
    Route(
        "DELETE",
        _ENDPOINT,
        webhooks.delete,
        scopes.WEBHOOKS_WRITE,
        summary="Forget a webhook endpoint.",
        shows=answers.ENDPOINT,
    ),
    *(
        Route(
            "POST",
            f"{_ENDPOINT}/{verb}",
            handler,
            scopes.WEBHOOKS_WRITE,
            model=model,
            summary=summary,
            shows=shows,
        )
        for verb, handler, model, summary, shows in (
            (
                "enable",
                webhooks.enable,
                None,
                "Send events again; those said meanwhile can be replayed.",
                answers.ENDPOINT,
            ),
            ("disable", webhooks.disable, None, "Send no more events.", answers.ENDPOINT),
            (
                "rotate",
                webhooks.rotate,
                webhooks.RotateSecretBody,
                "Give an endpoint a new secret; both sign for `overlap_s` seconds.",
                answers.NEW_ENDPOINT,
            ),
            ("test", webhooks.test, None, "Send an event that means nothing.", answers.TESTED),
            (
                "replay",
                webhooks.replay_range,
                webhooks.ReplayBody,
                "Send the events of a range of time again.",
                answers.REPLAYED,
            ),
            (
                "deliveries/{event_id}/replay",
                webhooks.replay_one,
                None,
                "Send one event again.",
                answers.REPLAYED,
            ),
        )
    ),
    Route(
        "GET",
        f"{_ENDPOINT}/deliveries",
        webhooks.list_deliveries,
        scopes.WEBHOOKS_READ,
        summary="List events on their way to an endpoint, or there, newest first.",
        shows=paged(answers.DELIVERY),
        filters=("state", "event_type", "from", "to"),
        paged=True,
    ),
)

ACCESS = (*_SECRETS, *_OF_KEYS, *_CONFIGURATION, *_WEBHOOKS)
