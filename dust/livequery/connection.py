"""One socket's end of the engine: what it watches, and the writes it has to be answered for."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from dust.livequery import runner
from dust.livequery.clock import Clock
from dust.livequery.context import Caller
from dust.livequery.execution import run_mutation
from dust.livequery.leases import HeldLease, LeaseKeeper
from dust.livequery.live import Client, Transition, Unanswered
from dust.livequery.registry import Kind, find_function
from dust.livequery.writing import Phases, RequestKey, Written


class Connection:
    """The engine's end of one socket. Used on the event loop only."""

    def __init__(self, client: Client, leases: LeaseKeeper, clock: Clock) -> None:
        self._client = client
        self._leases = leases
        self._clock = clock
        self._held: list[HeldLease] = []

    @property
    def caller(self) -> Caller | None:
        return self._client.caller

    def subscribe(
        self,
        path: str,
        args: Mapping[str, Any],
        *,
        key: int | None = None,
        journal: str | None = None,
        internal: bool = False,
    ) -> int:
        """Watch a query and return the subscription's id; the first result follows at once.

        A socket that chooses its ids itself gives the ``key``. With the ``journal`` of a result,
        the subscription goes on where another one has stopped.

        :raises DustError: if there is no such query or the arguments do not fit.
        """
        spec = find_function(path, kind=Kind.QUERY, internal=internal)
        with self.changing():
            return self._client.subscribe(spec, args, key=key, journal=journal)

    def unsubscribe(self, subscription: int) -> None:
        """Stop watching."""
        with self.changing():
            self._client.unsubscribe(subscription)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Subscribe and unsubscribe inside as one change, which costs much less than each alone."""
        is_outermost = not self._client.is_changing
        with self._client.changing():
            yield
        if is_outermost:
            self._update_leases()

    def authenticate(self, caller: Caller | None) -> None:
        """Let every subscription continue as another caller; only what differs is sent."""
        self._client.authenticate(caller)
        self._update_leases()

    async def mutate(
        self,
        path: str,
        args: Mapping[str, Any],
        caller: Caller | None,
        *,
        request: RequestKey | None = None,
        internal: bool = False,
    ) -> Written[Any]:
        """Run a mutation of the socket's own. One after the other, each to be ``answered``.

        Until then, whatever may already show what it wrote is kept from the socket.

        :raises DustError: if it fails; then it has left no trace.
        """
        spec = find_function(path, kind=Kind.MUTATION, internal=internal)
        unanswered = self._client.unanswered = Unanswered()
        phases = Phases(committing=unanswered.begin_commit)
        return await runner.run(partial(run_mutation, spec, args, caller, request, phases=phases))

    def answered(self) -> None:
        """Say that the socket has been told how its mutation has ended; news shows it from now."""
        self._client.unanswered = None
        self._client.drained()
        self.sync()

    def sync(self) -> None:
        """Have the socket told how things stand after all that was committed or asked until now.

        The transition is delivered even if there is nothing new in it. If a mutation may have been
        committed that is not answered yet, that will be followed by it.
        """
        client = self._client
        if client.live:
            client.owe()
        elif client.unanswered is None or not client.unanswered.may_show(time.perf_counter()):
            client.is_owed = False
            client.door.deliver(Transition(self._clock.issue(), ()))

    def drained(self) -> None:
        """Say that the socket can take news again."""
        self._client.drained()

    def close(self) -> None:
        """Forget the socket."""
        self._client.close()
        self._update_leases()

    def _update_leases(self) -> None:
        before, self._held = self._held, self._client.leases()
        if before or self._held:
            self._leases.change(before=before, after=self._held)
