"""Admin keys, as operators make, list and revoke them."""

from datetime import UTC, datetime
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from dust.convex import keys
from dust.convex.errors import BadDeployKeyError
from dust.convex.models import AdminKey

pytestmark = pytest.mark.django_db


def run(*command: str, stderr: StringIO | None = None) -> str:
    out = StringIO()
    call_command("admin_key", *command, stdout=out, stderr=stderr or StringIO())
    return out.getvalue()


class TestCommand:
    def test_plat_a7_makes_a_key_that_is_told_once_and_kept_as_a_digest(
        self, now: datetime
    ) -> None:
        told = StringIO()

        token = run("create", "the console", stderr=told).strip()

        row = AdminKey.objects.get()
        name, _, secret = token.partition("|")
        assert name == f"dak_{row.handle}"
        assert "never told again" in told.getvalue()
        assert secret not in str(AdminKey.objects.values().get())
        assert keys.check(token, now=now).caller is None

    def test_lists_keys_without_their_secrets(self, now: datetime) -> None:
        token = run("create", "the console").strip()
        handle = AdminKey.objects.get().handle

        unused = run("list")
        keys.check(token, now=datetime(2026, 3, 14, 15, 9, tzinfo=UTC))

        assert unused == f"{handle}  the console  last used never\n"
        assert run("list") == f"{handle}  the console  last used 2026-03-14T15:09+00:00\n"

    def test_revokes_keys(self, now: datetime) -> None:
        token = run("create", "the console").strip()
        handle = AdminKey.objects.get().handle

        assert run("revoke", handle) == f"{handle} is revoked.\n"
        assert run("list").strip().endswith("revoked")
        with pytest.raises(BadDeployKeyError):
            keys.check(token, now=now)

    def test_says_what_is_wrong(self) -> None:
        with pytest.raises(CommandError, match="name: Must be 1 to 100 printable characters"):
            run("create", " ")
        with pytest.raises(CommandError, match="Not there, or revoked before: nobody"):
            run("revoke", "nobody")
        assert not AdminKey.objects.exists()


class TestMigration:
    def test_lets_operators_look_and_revoke_and_nobody_else(self) -> None:
        migration: Any = import_module("dust.convex.migrations.0002_operators_revoke")
        target = ("convex", "0002_operators_revoke")
        as_of_then = MigrationLoader(connection).project_state(target).apps
        Group.objects.all().delete()

        migration.add(as_of_then, connection.schema_editor())

        [group] = Group.objects.all()
        assert group.name == "operator"
        assert set(group.permissions.values_list("codename", flat=True)) == {
            "view_adminkey",
            "change_adminkey",
        }
