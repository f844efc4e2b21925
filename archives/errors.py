"""What can go wrong with content and archives."""

from dust.errors import (
    ConflictError,
    DustError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)


class InvalidContentError(InvalidError):
    """The content is not acceptable."""

    code = "invalid_content"


class DocumentTooLargeError(DustError):
    """The document is too large."""

    code = "document_too_large"
    status = 413


class NoRoomError(ConflictError):
    """There is no room for more of this."""

    code = "no_room"


class VariantTakenError(ConflictError):
    """A variant of this id belongs to another project."""

    code = "variant_taken"


class LevelNotFoundError(NotFoundError):
    """There is no such level."""

    code = "level_not_found"


class PageNotFoundError(NotFoundError):
    """There is no such page."""

    code = "page_not_found"


class ContentNotFoundError(NotFoundError):
    """There is no such content."""

    code = "content_not_found"


class ArchiveNotFoundError(NotFoundError):
    """There is no such archive."""

    code = "archive_not_found"


class SignInToSaveError(UnauthenticatedError):
    """Must be logged in to save archives."""

    code = "sign_in_to_save"


class IngestCredentialRequiredError(UnauthenticatedError):
    """This takes an ingest credential that is valid."""

    code = "ingest_credential_required"


class ProjectNotCoveredError(ForbiddenError):
    """The ingest credential is for other projects."""

    code = "project_not_covered"


class SectionNotOnPageError(InvalidError):
    """The page has no such section to choose."""

    code = "section_not_on_page"


class SectionChosenTwiceError(InvalidError):
    """A section is chosen twice."""

    code = "section_chosen_twice"


class EnergyOverspentError(InvalidError):
    """The sections cost more energy than the page gives."""

    code = "energy_overspent"


class EnergyLeftError(InvalidError):
    """There is energy left, and all of it must be spent."""

    code = "energy_left"


class LifelineUsedError(ConflictError):
    """This lifeline has been used on this page."""

    code = "lifeline_used"


class NothingToPurgeError(ConflictError):
    """Nothing false is left on the page. The lifeline is not used up."""

    code = "nothing_to_purge"


class InvalidRunError(InvalidError):
    """A run like this cannot be begun."""

    code = "invalid_run"


class NothingToPlayError(NotFoundError):
    """There is nothing to play."""

    code = "nothing_to_play"


class RunNotFoundError(NotFoundError):
    """There is no such run of yours."""

    code = "run_not_found"


class RunOverError(ConflictError):
    """The run is over."""

    code = "run_over"


class WrongPageError(ConflictError):
    """The run is at another page."""

    code = "wrong_page"


class PageNotBegunError(ConflictError):
    """The page has not begun."""

    code = "page_not_begun"


class PageNotOverError(ConflictError):
    """The page before is not over."""

    code = "page_not_over"


class PageArchivedError(ConflictError):
    """The page has been archived."""

    code = "page_archived"


class PageTimedOutError(ConflictError):
    """The page was gone before it was archived."""

    code = "page_timed_out"


NO_PAGE = (
    RunOverError,
    WrongPageError,
    PageNotBegunError,
    PageTimedOutError,
    PageArchivedError,
    SectionNotOnPageError,
)
"""Why nothing can be done to a page, or to a section of it: for what an ``Operation`` raises."""
NO_LIFELINE = (*NO_PAGE, LifelineUsedError, NothingToPurgeError)
NO_ARCHIVE = (*NO_PAGE, SectionChosenTwiceError, EnergyOverspentError, EnergyLeftError)
NO_NEXT = (RunOverError, WrongPageError, PageNotOverError)
