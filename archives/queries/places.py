"""Where refereed runs are: what those need who show them, and those who go on with them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from archives.models import Run, RunPage
from archives.rules import difficulty, play, runs, scoring
from archives.rules.content import PageContent
from archives.rules.play import Lifeline, PageState
from archives.rules.runs import Fate, Mode
from archives.rules.scoring import Outcome, Standing
from gamesessions.models import GameSession


@dataclass(slots=True)
class Place:
    """Where a run is: its row, its session's, and the page that began last.

    Long after the run has ended there is no page.
    """

    run: Run
    session: GameSession
    page: RunPage | None

    @property
    def standing(self) -> Standing:
        """How the run stands."""
        return Standing(
            score=self.session.score,
            combo=self.session.combo,
            best_combo=self.run.best_combo,
            archived=self.run.archived,
            correct=self.run.correct,
            pages_completed=self.session.pages_completed,
        )

    @property
    def has_more(self) -> bool:
        """Whether there is a page after this one."""
        return self.run.page_number < self.run.page_count

    def end_page(self, fate: Fate, outcome: Outcome, *, at: datetime) -> None:
        """Put into the rows what became of the page. Nothing is saved."""
        page, run, session = self.page, self.run, self.session
        assert page is not None
        assert page.level is not None
        after = outcome.standing
        page.fate, page.ended_at, page.is_clutch = fate, at, outcome.is_clutch
        page.points = after.score - session.score
        page.archived = [[each.section.id, each.points] for each in outcome.judged]
        run.best_combo, run.archived, run.correct = after.best_combo, after.archived, after.correct
        if self.has_more:
            session.level = difficulty.next_level(
                page.level, pages_completed=session.pages_completed
            )
        elif run.mode == Mode.LEVEL and run.level is not None:
            session.level = run.level
        session.score, session.combo = after.score, after.combo
        session.pages_completed, session.accuracy = after.pages_completed, float(after.accuracy)

    def time_out(self, *, now: datetime) -> bool:
        """Do that if the page's time is over and it was not archived; return whether it was so."""
        if self.page is None or self.page.fate:
            return False
        state = state_of(self.page)
        if not play.is_over(state, now=now):
            return False
        outcome = scoring.score_timeout(self.standing)
        self.end_page(Fate.TIMED_OUT, outcome, at=play.deadline(state) + play.GRACE)
        return True


def find_place(run_id: UUID) -> Place | None:
    """Return where a run is, whoever's it is.

    Nothing is joined, so that a live query of it concerns these three rows and no others.
    """
    session = GameSession.objects.filter(id=run_id).defer("state").first()
    return None if session is None else find_place_of(session)


def find_place_of(session: GameSession) -> Place | None:
    """Return where the run of a session is, None if it has none."""
    run = Run.objects.filter(session_id=session.id).first()
    if run is None:
        return None
    page = RunPage.objects.filter(run_id=session.id, number=run.page_number).first()
    return Place(run, session, page)


def find_fate(run_id: UUID, number: int) -> Fate | None:
    """Return what has become of a page of the run, None if it is not over or not there."""
    pages = RunPage.objects.filter(run_id=run_id, number=number)
    fate = pages.values_list("fate", flat=True).first()
    return Fate(fate) if fate else None


def list_archived(run_id: UUID) -> list[RunPage]:
    """Return the pages of the run that were archived, in order."""
    pages = RunPage.objects.filter(run_id=run_id, fate=Fate.ARCHIVED).order_by("number")
    return list(pages[: runs.MAX_PAGES])


def content_of(page: RunPage) -> PageContent:
    """Return the page's content, truth included."""
    return msgspec.convert(page.content, PageContent)


def state_of(page: RunPage) -> PageState:
    """Return a page that has begun as the rules of play know it."""
    assert page.level is not None
    assert page.started_at is not None
    traces = {
        Lifeline.VERIFY: page.verified,
        Lifeline.FREEZE: page.frozen_at,
        Lifeline.PURGE: page.purged,
    }
    return PageState(
        page=content_of(page),
        level=page.level,
        started_at=page.started_at,
        used=frozenset(lifeline for lifeline, trace in traces.items() if trace),
        purged=frozenset({page.purged} if page.purged else ()),
        frozen_at=page.frozen_at,
        thawed_at=page.thawed_at,
    )


def board_of(run: Run) -> str | None:
    """Return the board that the run's result may stand on, None if it does not rank."""
    return f"solo:{run.level}" if run.mode in runs.RANKED_MODES else None
