"""Documents that come from the ingest tool: let in by its credential, then kept."""

from datetime import datetime

from archives.models import Level, Page, PageVariant
from archives.rules import content as rules
from archives.services import contents, credentials
from archives.services.contents import Kept
from dust.livequery.context import Caller


def ingest_page(page: rules.Page, *, by: Caller | None, now: datetime) -> Kept[Page]:
    """Keep a captured page.

    :raises IngestCredentialRequiredError: if the caller has no credential that is good now.
    :raises ProjectNotCoveredError: if it is for other projects.

    What else it raises is said at ``contents.upsert_page``; the other two are alike.
    """
    credentials.authorize(by, page.project_id, now=now)
    return contents.upsert_page(page, now=now)


def ingest_level(level: rules.Level, *, by: Caller | None, now: datetime) -> Kept[Level]:
    """Keep a level."""
    credentials.authorize(by, level.project_id, now=now)
    return contents.upsert_level(level, now=now)


def ingest_variant(
    variant: rules.Variant, *, by: Caller | None, now: datetime
) -> Kept[PageVariant]:
    """Keep a variant."""
    credentials.authorize(by, variant.project_id, now=now)
    return contents.upsert_variant(variant, now=now)
