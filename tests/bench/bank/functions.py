"""Accounts as Convex clients know them: watch one, pay into it, move money between two."""

from typing import Annotated

import msgspec
from django.db import IntegrityError, connection
from django.db.models import Case, F, Value, When

from dust.errors import InvalidError, NotFoundError
from dust.livequery.changes import wrote
from dust.livequery.context import MutationContext, QueryContext
from dust.livequery.registry import mutation, query
from dust.livequery.shapes import Args
from dust.livequery.transactions import Isolation
from tests.bench.bank.models import Account

Amount = Annotated[int, msgspec.Meta(ge=1)]


class AccountArgs(Args, frozen=True):
    account: int


class DepositArgs(AccountArgs, frozen=True):
    amount: Amount


class TransferArgs(Args, frozen=True):
    source: int
    target: int
    amount: Amount


class OverdrawnError(InvalidError):
    """There is not enough in the account."""

    code = "overdrawn"


@query("bank:balance")
def show_balance(_ctx: QueryContext, args: AccountArgs) -> int | None:
    return Account.objects.filter(pk=args.account).values_list("balance", flat=True).first()


@mutation("bank:deposit")
def deposit(_ctx: MutationContext, args: DepositArgs) -> int:
    """Pay in and return the new balance."""
    account = Account.objects.get(pk=args.account)
    account.balance += args.amount
    account.save(update_fields=["balance"])
    return account.balance


# Transfers run READ COMMITTED: one statement changes both accounts, which waits for whoever has
# one of them and goes on from what that one leaves there. A serializable transaction would have to
# begin anew after each wait.


@mutation("bank:transfer", isolation=Isolation.READ_COMMITTED)
def transfer(_ctx: MutationContext, args: TransferArgs) -> None:
    """Move an amount from one account to another, through the ORM."""
    change = Case(When(pk=args.source, then=Value(-args.amount)), default=Value(args.amount))
    both = Account.objects.filter(pk__in=[args.source, args.target])
    try:
        moved = both.update(balance=F("balance") + change)
    except IntegrityError as exc:
        raise OverdrawnError from exc
    if moved != 2:
        raise NotFoundError


@mutation("bank:transferInSql", isolation=Isolation.READ_COMMITTED)
def transfer_in_sql(_ctx: MutationContext, args: TransferArgs) -> None:
    """Move an amount from one account to another, by a statement that takes them in order."""
    source, target, amount = args.source, args.target, args.amount
    wrote(Account, columns=["balance"], pk=[source, target])
    try:
        with connection.cursor() as cursor:
            cursor.execute(_TRANSFER, [source, target, source, -amount, amount])
            moved = cursor.rowcount
    except IntegrityError as exc:
        raise OverdrawnError from exc
    if moved != 2:
        raise NotFoundError


_TRANSFER = """
    WITH ordered AS (
        SELECT id FROM bank_account WHERE id IN (%s, %s) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE bank_account SET balance = balance + CASE bank_account.id WHEN %s THEN %s ELSE %s END
    FROM ordered WHERE bank_account.id = ordered.id
"""
