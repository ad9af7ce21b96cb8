"""Lines of the route table for the books: settlements, plans, journals, parties, the clock."""

from agents.commands.proofs import ProveSettlement
from tables.drawers import DrawerSession
from tables.journals import Conversion, Journal
from tables.settlements import Settlement, SettlementProof
from tables.statements import BankItem, Statement, StatementLine
from tables.subscriptions import Plan, Subscription
from tables.tenants import Threshold
from web import answers, scopes
from web.api import books, parties, proofs, statement_gaps, statements
from web.api.resources import getting
from web.bodies import body_of
from web.call import Route
from web.lines import API, TENANT, act, collection, resource
from web.schemas import listed, paged, ref

BOOKS: tuple[Route, ...] = (
    collection("/settlements", Settlement, scopes.SETTLEMENTS_READ, within=API),
    *resource("/settlements", Settlement, "settlement_id", scopes.SETTLEMENTS_READ),
    Route(
        "POST",
        f"{TENANT}/settlements/{{settlement_id}}/proof",
        proofs.prove,
        scopes.BOOKS_WRITE,
        model=body_of(ProveSettlement, "settlement_id", "root", "size"),
        idempotent=True,
        summary="Have the root over a settlement's lines written to a chain.",
        shows=ref("SettlementProof"),
    ),
    Route(
        "GET",
        f"{TENANT}/settlements/{{settlement_id}}/items",
        proofs.list_items,
        scopes.SETTLEMENTS_READ,
        summary="The payments, payouts and refunds that a settlement consists of.",
        shows=listed(answers.SETTLEMENT_ITEM),
    ),
    Route(
        "GET",
        f"{TENANT}/settlements/{{settlement_id}}/proof",
        getting(SettlementProof, "settlement_id"),
        scopes.SETTLEMENTS_READ,
        summary="How a settlement's root fares on its chain.",
        shows=ref("SettlementProof"),
    ),
    Route(
        "GET",
        f"{TENANT}/settlements/{{settlement_id}}/proof/{{entry_id}}",
        proofs.get_proof,
        scopes.SETTLEMENTS_READ,
        summary="The proof of one line: a payment's, refund's or payout's, or the settlement's.",
        shows=answers.ANY,
    ),
    Route(
        "GET",
        f"{TENANT}/statement-gaps",
        statement_gaps.list_gaps,
        scopes.SETTLEMENTS_READ,
        summary="Where statements of an account do not go on from each other.",
        filters=("account",),
        shows=listed(answers.STATEMENT_GAP),
    ),
    *resource("/statements", Statement, "statement_id", scopes.SETTLEMENTS_READ, "account"),
    Route(
        "POST",
        f"{TENANT}/statements",
        statements.upload,
        scopes.BOOKS_WRITE,
        summary="Read a statement: camt, MT940, OFX, or CSV with its columns named.",
        filters=statements.PARAMETERS,
        shows=listed(ref("Statement")),
        media_type="application/octet-stream",
        body_bytes_max=statements.FILE_BYTES_MAX,
    ),
    *resource(
        "/statement-lines",
        StatementLine,
        "line_id",
        scopes.SETTLEMENTS_READ,
        *("account", "statement_id"),
    ),
    act(
        "/statement-lines/{line_id}/resolve",
        "line.resolve",
        scopes.BOOKS_WRITE,
        "Say what a line was that nobody could explain.",
    ),
    Route(
        "GET",
        f"{TENANT}/statement-lines/{{line_id}}/suggestions",
        statements.suggest,
        scopes.SETTLEMENTS_READ,
        summary="What a line may be, by amount, day and party; nothing is matched by it.",
        shows=listed(answers.SUGGESTION),
    ),
    collection("/bank-items", BankItem, scopes.SETTLEMENTS_READ, "account"),
    collection("/drawer-sessions", DrawerSession, scopes.SETTLEMENTS_READ),
    Route(
        "GET",
        f"{TENANT}/parties",
        parties.list_parties,
        scopes.PARTIES_READ,
        summary="List what parties owe and are owed, by age and currency; by party.",
        shows=paged(answers.PARTY_LINE),
        paged=True,
    ),
    Route(
        "GET",
        f"{TENANT}/parties/{{party_id}}",
        parties.get_party,
        scopes.PARTIES_READ,
        summary="What one party owes and is owed, by age and currency.",
        shows=answers.PARTY,
    ),
    act("/plans", "plan.create", scopes.SUBSCRIPTIONS_WRITE, "Create a plan."),
    *resource("/plans", Plan, "plan_id", scopes.SUBSCRIPTIONS_READ, "metadata"),
    act("/subscriptions", "subscription.create", scopes.SUBSCRIPTIONS_WRITE, "Subscribe."),
    *resource(
        *("/subscriptions", Subscription, "subscription_id", scopes.SUBSCRIPTIONS_READ),
        *("customer_id", "metadata"),
    ),
    act(
        "/subscriptions/{subscription_id}/cancel",
        "subscription.cancel",
        scopes.SUBSCRIPTIONS_WRITE,
        "Cancel a subscription.",
    ),
    act("/journals", "journal.post", scopes.BOOKS_WRITE, "Post a journal, or try one."),
    act("/journals:batch", "journal.batch", scopes.BOOKS_WRITE, "Post journals, all or none."),
    *resource("/journals", Journal, "journal_id", scopes.BOOKS_READ, "metadata"),
    act(
        "/journals/{journal_id}/reverse",
        "journal.reverse",
        scopes.BOOKS_WRITE,
        "Reverse a journal.",
    ),
    act(
        "/journals/{journal_id}/approve",
        "journal.approve",
        scopes.BOOKS_APPROVE,
        "Post a journal that somebody else asked for.",
    ),
    act(
        "/journals/{journal_id}/reject",
        "journal.reject",
        scopes.BOOKS_APPROVE,
        "Do not post a journal that waits.",
    ),
    act("/conversions", "conversion.create", scopes.BOOKS_WRITE, "Quote a conversion."),
    *resource("/conversions", Conversion, "conversion_id", scopes.BOOKS_READ),
    act(
        "/conversions/{conversion_id}/execute",
        "conversion.execute",
        scopes.PAYOUTS_WRITE,
        "Send what is sold on a chain to who converts it.",
    ),
    *(
        act(
            f"/conversions/{{conversion_id}}/{verb}",
            f"conversion.{verb}",
            scopes.BOOKS_WRITE,
            words,
        )
        for verb, words in (
            ("complete", "Note at what rate money was converted."),
            ("cancel", "Do not take a quote."),
        )
    ),
    act("/thresholds", "threshold.set", scopes.BOOKS_WRITE, "Watch an account's balance."),
    collection("/thresholds", Threshold, scopes.BOOKS_READ),
    act("/periods/close", "period.close", scopes.BOOKS_CLOSE, "Close the books through a day."),
    Route(
        "GET",
        f"{TENANT}/trial-balance",
        books.get_trial_balance,
        scopes.BALANCES_READ,
        summary="All accounts' debits and credits, now or through a day; JSON or CSV.",
        shows=answers.TRIAL_BALANCE,
        filters=("through", "format"),
    ),
    act("/clock/advance", "clock.advance", scopes.SANDBOX_CLOCK, "Put a sandbox's clock forward."),
    Route(
        "GET",
        f"{TENANT}/clock",
        books.get_clock,
        scopes.BALANCES_READ,
        summary="The clock.",
        shows=answers.CLOCK,
    ),
)
