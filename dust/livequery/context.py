"""What a running function is given: who calls, one frozen time, one seeded source of randomness."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec
from django.db.models import Model, QuerySet
from typing_extensions import override

from dust.livequery.pagination import Page, PaginationOpts, paginate
from dust.livequery.scheduler import Scheduler

M = TypeVar("M", bound=Model)


class Caller(Protocol):
    """A verified identity, as the engine needs to know it."""

    @property
    def issuer(self) -> str: ...

    @property
    def subject(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def claims(self) -> Mapping[str, Any]: ...


SIGNED_IN = "signed in"
SUBJECT = "subject"
_CLAIM = "claim:"


def fact_of(caller: Caller | None, fact: str) -> Any:
    """Return the value of one thing a function can learn of its caller, in hashable form."""
    if caller is None:
        return None
    if fact == SIGNED_IN:
        return True
    if fact == SUBJECT:
        return caller.issuer, caller.subject
    name = fact.removeprefix(_CLAIM)
    if name not in caller.claims:
        return False
    return msgspec.json.encode(caller.claims[name], order="sorted")


class ObservedClaims(Mapping[str, Any]):
    """A caller's claims; asking for one records that the function depends on it."""

    def __init__(self, claims: Mapping[str, Any], facts: set[str]) -> None:
        self._claims = claims
        self._facts = facts

    @override
    def __getitem__(self, name: str) -> Any:
        self._facts.add(_CLAIM + name)
        return self._claims[name]

    @override
    def __iter__(self) -> Iterator[str]:
        self._facts.update(_CLAIM + name for name in self._claims)
        # Which claims there are is settled by whose they are.
        self._facts.add(SUBJECT)
        return iter(self._claims)

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self)


class ObservedIdentity:
    """A caller; each attribute that a function reads is recorded as something it depends on."""

    def __init__(self, caller: Caller, facts: set[str]) -> None:
        self._caller = caller
        self._facts = facts

    @property
    def issuer(self) -> str:
        self._facts.add(SUBJECT)
        return self._caller.issuer

    @property
    def subject(self) -> str:
        self._facts.add(SUBJECT)
        return self._caller.subject

    @property
    def key(self) -> str:
        self._facts.add(SUBJECT)
        return self._caller.key

    @property
    def claims(self) -> Mapping[str, Any]:
        return ObservedClaims(self._caller.claims, self._facts)


class Context:
    """The surroundings of one run of a function.

    ``facts`` collects what the run has read of its caller: the shared result of a query is keyed by
    exactly that. Time and randomness are the same however often a run is repeated.
    """

    def __init__(self, path: str, args: Any, caller: Caller | None, *, now: datetime) -> None:
        self.now = now
        self.facts: set[str] = set()
        self._path = path
        self._args = args
        self._caller = caller
        self._random: random.Random | None = None

    @property
    def identity(self) -> ObservedIdentity | None:
        """Who calls, None if nobody is signed in."""
        self.facts.add(SIGNED_IN)
        return None if self._caller is None else ObservedIdentity(self._caller, self.facts)

    @property
    def random(self) -> random.Random:
        """A generator seeded by the function, its arguments and what was read of the caller."""
        if self._random is None:
            self._random = random.Random(self._seed())  # noqa: S311 - games, not secrets
        return self._random

    def _seed(self) -> bytes:
        known = [(fact, repr(fact_of(self._caller, fact))) for fact in sorted(self.facts)]
        return hashlib.sha256(repr((self._path, self._args, known)).encode()).digest()


class QueryContext(Context):
    """What a query is given. A query that is run again is given its last run's ``journal``."""

    def __init__(
        self,
        path: str,
        args: Any,
        caller: Caller | None,
        *,
        now: datetime,
        journal: str | None = None,
    ) -> None:
        super().__init__(path, args, caller, now=now)
        self.journal: str | None = None
        self._last_journal = journal

    def paginate(self, rows: QuerySet[M], options: PaginationOpts) -> Page[M]:
        """Return a page of the rows, in their order. A function reads one page only.

        :raises InvalidCursorError: if a cursor of the options is not one of these rows'.
        """
        if self.journal is not None:
            raise RuntimeError(f"{self._path} reads more than one page.")
        page, self.journal = paginate(rows, options, self._last_journal)
        return page


class MutationContext(Context):
    """What a mutation is given. Its random source differs by call, but not by try.

    What it schedules is part of its transaction.
    """

    def __init__(
        self, path: str, args: Any, caller: Caller | None, *, now: datetime, seed: bytes
    ) -> None:
        super().__init__(path, args, caller, now=now)
        self._own_seed = seed
        self.scheduler = Scheduler(clock=lambda: now, call=lambda work: work())

    @override
    def _seed(self) -> bytes:
        return self._own_seed
