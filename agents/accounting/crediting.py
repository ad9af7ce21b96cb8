"""Taking a claim back: void before any money, credit notes after, write-offs of what never comes.

Credit note: revenue + tax:output / receivable, the tax in proportion, summing exactly over all
notes of an invoice. Write-off: expense:bad_debt + tax:output / receivable (bad debt relief gives
the tax back; VAT Act 2013, section 31, which the tenant says applies). Withheld by the customer:
tax:wht_receivable / receivable.
"""

from collections.abc import Iterator

from agents.accounting import chart
from agents.accounting.invoicing import of_invoice, reduced, stated, told
from agents.effects import Effect, Emit, Post, Put
from streams.journal import Posting
from streams.money import half_up
from tables.invoices import Invoice

BAD_DEBT = chart.expense("bad_debt")


def note(invoice: Invoice, amount: int) -> list[tuple[str, int]]:
    """(account, minor units debited) of a credit note of so much of the invoice, gross.

    The parts of all notes so far sum to the invoice's own when all of it is credited.
    """
    before, after = invoice.credited, invoice.credited + amount
    income = chart.revenue(invoice.source)
    taxes = {chart.TAX_OUTPUT: invoice.tax, **invoice.levies}
    parts = []
    for account, whole in taxes.items():
        part = half_up(whole * after, invoice.total) - half_up(whole * before, invoice.total)
        parts.append((account, part))
    net = amount - sum(part for _, part in parts)
    return [(account, part) for account, part in [(income, net), *parts] if part]


def credit(invoice: Invoice, amount: int, back: int = 0) -> tuple[Invoice, list[Effect]]:
    """A credit note over `amount`: of what is outstanding, and `back` of what its customer's credit
    had paid, which is theirs again.
    """
    where = of_invoice(invoice)
    legs = [Posting(account, invoice.asset, part, where) for account, part in note(invoice, amount)]
    legs.append(Posting(chart.RECEIVABLE, invoice.asset, back - amount, where))
    legs.append(Posting(chart.CUSTOMER_CREDIT, invoice.asset, -back, where))
    legs = [leg for leg in legs if leg.minor]
    after = invoice.replaced(
        credited=invoice.credited + amount,
        paid=invoice.paid - back,
        from_credit=invoice.from_credit - back,
        version=invoice.version + 1,
    )
    if invoice.outstanding:
        return reduced(after, legs)
    after = stated(after)  # it had come to its end before, and said so
    return after, [Post(legs), Put(after)]


def withhold(invoice: Invoice, amount: int) -> tuple[Invoice, list[Effect]]:
    """The customer paid so much to the tax authority instead of us."""
    where = of_invoice(invoice)
    legs = [
        Posting(chart.WITHHELD_FROM_US, invoice.asset, amount, where),
        Posting(chart.RECEIVABLE, invoice.asset, -amount, where),
    ]
    after = invoice.replaced(
        withheld=invoice.withheld + amount,
        to_withhold=max(invoice.to_withhold - amount, 0),
        version=invoice.version + 1,
    )
    return reduced(after, legs)


def write_off(invoice: Invoice, *, tax_relief: bool) -> tuple[Invoice, list[Effect]]:
    """All that is outstanding will never be paid."""
    amount, where = invoice.outstanding, of_invoice(invoice)
    tax = half_up(invoice.tax * amount, invoice.total) if tax_relief else 0
    legs = [
        Posting(BAD_DEBT, invoice.asset, amount - tax, where),
        Posting(chart.TAX_OUTPUT, invoice.asset, tax, where),
        Posting(chart.RECEIVABLE, invoice.asset, -amount, where),
    ]
    after = invoice.replaced(written_off=invoice.written_off + amount, version=invoice.version + 1)
    return reduced(after, [leg for leg in legs if leg.minor])


def void(invoice: Invoice) -> Iterator[Effect]:
    """The invoice never was: its posting is reversed."""
    where = of_invoice(invoice)
    net = invoice.total - invoice.tax - sum(invoice.levies.values())
    legs = [
        Posting(chart.revenue(invoice.source), invoice.asset, net, where),
        Posting(chart.TAX_OUTPUT, invoice.asset, invoice.tax, where),
        *(Posting(name, invoice.asset, minor, where) for name, minor in invoice.levies.items()),
        Posting(chart.RECEIVABLE, invoice.asset, -invoice.total, where),
    ]
    if invoice.status != "draft":
        yield Post([leg for leg in legs if leg.minor])
    after = invoice.replaced(status="void", overdue=False, version=invoice.version + 1)
    yield Put(after)
    yield Emit("treasury.invoice.void", told(after))
