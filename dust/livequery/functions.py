"""The engine's own jobs."""

from dust.livequery import recovery
from dust.livequery.context import MutationContext
from dust.livequery.purge import purge
from dust.livequery.registry import internal_mutation
from dust.livequery.scheduler import Every, cron
from dust.livequery.shapes import NoArgs
from dust.livequery.transactions import Isolation

PURGE = "livequery:purge"


# Not serializable, since each of its statements is complete in itself, and it touches many rows.
@internal_mutation(PURGE, isolation=Isolation.READ_COMMITTED)
def purge_old(ctx: MutationContext, _args: NoArgs) -> int:
    """Delete a batch of what has served its time, and go on in another transaction."""
    recovery.fail_unknown(now=ctx.now)
    report = purge(now=ctx.now)
    if report.may_go_on:
        ctx.scheduler.run_after(0, PURGE, {})
    return report.deleted


cron("livequery:purge", PURGE, when=Every(minutes=10))
