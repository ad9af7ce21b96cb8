"""The tenant a handler serves, as its owner knows it."""

from agents.registry import View
from tables.tenants import Tenant
from web.call import Call
from web.problems import Problem


def tenant_of(view: View, call: Call) -> Tenant:
    """The tenant's row. Raises 404: its token may be good before we have heard of it."""
    tenant = view.row(Tenant, call.tenant_id)
    if tenant is None:
        raise Problem(404, "tenant-unknown", "The treasury has not heard of this tenant yet.")
    return tenant
