"""What the table itself refuses, and how staff are made."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from typing_extensions import override

from accounts.models import User

pytestmark = pytest.mark.django_db


class TestUser:
    @pytest.mark.parametrize(
        ("broken", "constraint"),
        [
            ({"username": ""}, "accounts_user_username_trimmed"),
            ({"username": " ada"}, "accounts_user_username_trimmed"),
            ({"avatar_url": "javascript:alert(1)"}, "accounts_user_avatar_url_web"),
            ({"avatar_url": "xhttps://img.example"}, "accounts_user_avatar_url_web"),
            ({"login": "ada"}, "accounts_user_login_is_staff_identity"),
            (
                {"login": "ada", "issuer": "local-staff", "subject": "bob"},
                "accounts_user_login_is_staff_identity",
            ),
        ],
    )
    def test_cannot_be_stored(self, broken: dict[str, Any], constraint: str) -> None:
        fields = {"issuer": "https://clerk.example", "subject": "user_1", "username": "ada"}

        with pytest.raises(IntegrityError, match=constraint):
            User.objects.create(**fields | broken)

    def test_has_an_identity_of_its_own(self) -> None:
        User.objects.create(issuer="https://clerk.example", subject="user_1", username="ada")

        with pytest.raises(IntegrityError, match=r"accounts_user_identity|issuer"):
            User.objects.create(issuer="https://clerk.example", subject="user_1", username="eda")

    def test_shares_a_name_with_others(self) -> None:
        for subject in ("user_1", "user_2"):
            User.objects.create(issuer="https://clerk.example", subject=subject, username="ada")

        assert User.objects.filter(username="ada").count() == 2


class TestCreateSuperuser:
    def test_takes_login_and_password_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DJANGO_SUPERUSER_LOGIN", "root")
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")

        call_command("createsuperuser", interactive=False, stdout=StringIO())

        user = User.objects.get()
        assert (user.issuer, user.subject, user.username) == ("local-staff", "root", "root")
        assert user.is_staff
        assert user.is_superuser
        assert authenticate(username="root", password="correct horse battery") == user
        assert authenticate(username="root", password="wrong") is None

    def test_asks_at_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(StringIO):
            @override
            def isatty(self) -> bool:
                return True

        monkeypatch.setattr("builtins.input", lambda _prompt: "root")
        monkeypatch.setattr("getpass.getpass", lambda *_: "correct horse battery")

        call_command("createsuperuser", interactive=True, stdin=Terminal(), stdout=StringIO())

        assert User.objects.get().login == "root"

    def test_refuses_a_login_twice(self) -> None:
        call_command("createsuperuser", login="root", interactive=False, stdout=StringIO())

        with pytest.raises(CommandError, match="already taken"):
            call_command("createsuperuser", login="root", interactive=False)

    def test_refuses_an_empty_login(self) -> None:
        with pytest.raises(ValueError, match="login"):
            User.objects.create_superuser("  ")


class TestPlayer:
    def test_cannot_sign_in_with_a_password(self) -> None:
        player = User(issuer="https://clerk.example", subject="user_1", username="ada")
        player.set_password("correct horse battery")
        player.save()

        assert authenticate(username="user_1", password="correct horse battery") is None
        assert authenticate(username="", password="correct horse battery") is None
