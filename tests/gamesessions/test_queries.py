"""What players are shown of their games."""

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.errors import AccountBannedError
from accounts.models import User
from dust.identity import Identity
from dust.ids import InvalidIdError
from gamesessions import queries, rules
from gamesessions.errors import SessionNotFoundError
from gamesessions.models import GameSession
from tests.factories import ISSUER, GameSessionFactory, SaveFactory, UserFactory, identity_of

pytestmark = pytest.mark.django_db

STRANGER = Identity(ISSUER, "stranger")


@pytest.fixture
def alice() -> User:
    return UserFactory.create(username="alice")


class TestFindActive:
    def test_is_the_game_that_is_played(self, alice: User) -> None:
        GameSessionFactory.create(user=alice, completed=True)
        played = GameSessionFactory.create(user=alice)
        GameSessionFactory.create(user=alice, abandoned=True)
        GameSessionFactory.create()

        assert queries.find_active(identity_of(alice)) == played

    def test_is_nothing_for_nobody_and_for_who_is_in_none(self, alice: User) -> None:
        GameSessionFactory.create(user=alice, completed=True)
        GameSessionFactory.create()

        assert queries.find_active(None) is None
        assert queries.find_active(STRANGER) is None
        assert queries.find_active(identity_of(alice)) is None

    def test_is_not_shown_to_the_banned(self, alice: User) -> None:
        GameSessionFactory.create(user=alice)
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            queries.find_active(identity_of(alice))

    def test_takes_two_statements_and_leaves_the_state_alone(
        self, alice: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        GameSessionFactory.create(user=alice, state={"page": 1})

        with django_assert_num_queries(2):
            found = queries.find_active(identity_of(alice), with_state=False)

        assert found is not None
        assert found.get_deferred_fields() == {"state"}


class TestAccessSession:
    def test_is_the_players_own(self, alice: User) -> None:
        session = GameSessionFactory.create(user=alice, completed=True)

        assert queries.access_session(identity_of(alice), session.id) == session

    def test_d6_is_nobody_elses(self, alice: User) -> None:
        session = GameSessionFactory.create(user=alice)
        bob = UserFactory.create(username="bob")

        for other in (identity_of(bob), STRANGER):
            with pytest.raises(SessionNotFoundError) as refusal:
                queries.access_session(other, session.id)
            assert refusal.value.is_foreign

    def test_is_not_found_where_there_is_none(self, alice: User) -> None:
        gone = GameSessionFactory.build(user=alice)

        with pytest.raises(SessionNotFoundError) as refusal:
            queries.access_session(identity_of(alice), gone.id)

        assert not refusal.value.is_foreign


class TestListSessions:
    @pytest.fixture
    def played(self, alice: User) -> list[GameSession]:
        """Five games, newest first."""
        GameSessionFactory.create()
        found: list[GameSession] = GameSessionFactory.create_batch(5, user=alice, completed=True)
        return found[::-1]

    def test_shows_the_newest_first_a_page_at_a_time(
        self, alice: User, played: list[GameSession]
    ) -> None:
        seen: list[GameSession] = []
        cursor = None
        while True:
            page = queries.list_sessions(identity_of(alice), limit=2, cursor=cursor)
            assert len(page.sessions) <= 2
            seen += page.sessions
            cursor = page.next_cursor
            if cursor is None:
                break

        assert seen == played

    def test_shows_nothing_twice_when_another_begins(
        self, alice: User, played: list[GameSession]
    ) -> None:
        first = queries.list_sessions(identity_of(alice), limit=2)
        GameSessionFactory.create(user=alice)

        second = queries.list_sessions(identity_of(alice), limit=2, cursor=first.next_cursor)

        assert second.sessions == played[2:4]

    def test_ends_where_there_is_no_more(self, alice: User, played: list[GameSession]) -> None:
        assert queries.list_sessions(identity_of(alice), limit=5).next_cursor is None
        assert queries.list_sessions(STRANGER) == queries.Page([], None)

    def test_refuses_cursors_that_are_none(self, alice: User) -> None:
        with pytest.raises(InvalidIdError):
            queries.list_sessions(identity_of(alice), cursor="x")

    def test_d23_takes_two_statements_however_many_there_are(
        self,
        alice: User,
        played: list[GameSession],
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        with django_assert_num_queries(2):
            page = queries.list_sessions(identity_of(alice), limit=3)

        assert {name for each in page.sessions for name in each.get_deferred_fields()} == {"state"}


class TestListSaves:
    def test_shows_the_newest_first(self, alice: User) -> None:
        session = GameSessionFactory.create(user=alice, version=4)
        for version in (1, 3, 2):
            SaveFactory.create(session=session, version=version, state=[version])
        SaveFactory.create()

        found = queries.list_saves(identity_of(alice), session.id)

        assert [save.version for save in found] == [3, 2, 1]
        assert {name for each in found for name in each.get_deferred_fields()} == {"state"}

    def test_d23_is_bounded(self, alice: User) -> None:
        session = GameSessionFactory.create(user=alice, version=50)
        for version in range(1, 50):
            SaveFactory.create(session=session, version=version)

        assert len(queries.list_saves(identity_of(alice), session.id)) == rules.MAX_SAVES

    def test_d6_is_nobody_elses(self, alice: User) -> None:
        save = SaveFactory.create()

        with pytest.raises(SessionNotFoundError):
            queries.list_saves(identity_of(alice), save.session_id)
