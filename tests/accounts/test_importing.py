"""Players who come along from Convex."""

from datetime import datetime
from pathlib import Path

import pytest

from accounts.models import User
from accounts.services import players
from accounts.services.deletion import delete_account
from dust import ids
from dust.identity import local_issuer
from dust.livequery.testing import ask
from tests import exported
from tests.exported import MADE_AT, ada, import_rows

pytestmark = pytest.mark.django_db(transaction=True)


def one(**values: object) -> User:
    return User.objects.get(issuer=local_issuer.ISSUER, **values)


class TestUsers:
    def test_are_known_by_the_subject_of_their_token(self, tmp_path: Path) -> None:
        report = import_rows(tmp_path, users=[exported.user("ada"), exported.user("bob")])

        assert report.lines[0] == "users: 2 taken, 0 there already, 0 refused"
        assert ask("users:current", caller=ada)["username"] == "ada"
        shown = ask("users:getByClerkId", {"clerkId": "user_bob"}, caller=ada)
        assert shown["avatarUrl"] == "https://img.clerk.com/bob"
        assert not one(subject="user_ada").has_usable_password()

    def test_keep_the_time_they_were_made(self, tmp_path: Path) -> None:
        import_rows(tmp_path, users=[exported.user("ada", after=1500.5)])

        shown = ask("users:current", caller=ada)
        assert shown["_creationTime"] == pytest.approx(MADE_AT + 1500.5, abs=0.001)

    def test_keep_the_bytes_of_their_ids(self, tmp_path: Path) -> None:
        import_rows(tmp_path, users=[exported.user("ada")])

        assert one(subject="user_ada").id == exported.old_key("users ada")

    def test_keep_their_ids_where_the_tables_have_one_number(self, tmp_path: Path) -> None:
        same = ids.encode(User.TABLE_NUMBER, exported.old_key("users ada"))
        other = exported.old_id("users", "bob")

        import_rows(tmp_path, users=[exported.user("ada", _id=same), exported.user("bob")])

        assert ask("users:current", caller=ada)["_id"] == same
        assert ask("users:current", caller=exported.bob)["_id"] != other

    def test_are_not_changed_if_they_are_here(self, tmp_path: Path, now: datetime) -> None:
        here = players.ensure_user(ada, now=now)
        players.update_profile(here, username="Countess")

        report = import_rows(tmp_path, users=[exported.user("ada")])

        assert report.lines[0] == "users: 0 taken, 1 there already, 0 refused"
        assert (one().id, one().username, one().created_at) == (here.id, "Countess", now)

    def test_are_made_once_however_often_they_are_in_the_file(self, tmp_path: Path) -> None:
        twice = [exported.user("ada"), {**exported.user("bob"), "clerkId": "user_ada"}]

        report = import_rows(tmp_path, users=twice)

        assert report.lines[0] == "users: 1 taken, 1 there already, 0 refused"
        assert one().username == "ada"

    def test_whose_key_is_taken_get_another(self, tmp_path: Path) -> None:
        import_rows(tmp_path, users=[exported.user("ada")])

        report = import_rows(tmp_path, users=[exported.user("ada", clerkId="user_eve")])

        assert report.lines[0] == "users: 1 taken, 0 there already, 0 refused"
        assert one(subject="user_eve").id != one(subject="user_ada").id

    @pytest.mark.parametrize(
        ("username", "avatar_url", "seen"),
        [
            ("  Ada\u202e ", "", ("Ada", "")),
            ("x" * 80, "javascript:alert(1)", ("x" * 64, "")),
            ("ada@example.com", "https://a.example/x" + "y" * 2048, ("Archivist", "")),
        ],
    )
    def test_are_made_to_look_as_players_may(
        self, tmp_path: Path, username: str, avatar_url: str, seen: tuple[str, str]
    ) -> None:
        report = import_rows(
            tmp_path, users=[exported.user(username=username, avatarUrl=avatar_url)]
        )

        assert report.error == ""
        assert (one().username, one().avatar_url) == seen

    @pytest.mark.parametrize("subject", ["", "x" * 256, "user\n", "\0"])
    def test_are_somebody(self, tmp_path: Path, subject: str) -> None:
        report = import_rows(tmp_path, users=[exported.user(clerkId=subject)])

        assert report.lines[0].startswith("users line 1: refused. ")
        assert not User.objects.exists()

    def test_who_were_deleted_here_stay_so(self, tmp_path: Path, now: datetime) -> None:
        players.ensure_user(ada, now=now)
        delete_account(ada.issuer, ada.subject, at=now, now=now)

        report = import_rows(
            tmp_path, users=[exported.user("ada")], leaderboard=[exported.entry("ada")]
        )

        assert report.lines[0] == "users line 1: refused. This account has been deleted."
        assert report.error == "Rows refused: 2."
        assert not User.objects.filter(subject="user_ada").exists()
