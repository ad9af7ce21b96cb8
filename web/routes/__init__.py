"""The one table of everything this service answers: routing, authorisation and the specification
follow from it. Adding a route is one line in the file of its subject and one handler in web/api/.
"""

from web.routes.access import ACCESS
from web.routes.books import BOOKS
from web.routes.gateways import GATEWAYS
from web.routes.invoices import INVOICES
from web.routes.ledger import LEDGER
from web.routes.messages import MESSAGES
from web.routes.payments import PAYMENTS
from web.routes.service import OPEN
from web.routes.spending import PAYOUTS, SPENDING
from web.routes.taxes import TAXES

ROUTES = (
    *LEDGER,
    *PAYMENTS,
    *INVOICES,
    *SPENDING,
    *PAYOUTS,
    *BOOKS,
    *TAXES,
    *ACCESS,
    *MESSAGES,
    *GATEWAYS,
    *OPEN,
)
"""They are tried in this order: what is asked most comes first."""
