"""The groups of staff, as the migration makes them on any database."""

from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import StateApps

from tests.house.rows import create_groups

pytestmark = pytest.mark.django_db

migration: Any = import_module("archives.migrations.0003_groups")


@pytest.fixture
def as_of_then() -> StateApps:
    """The models as the migration finds them."""
    return MigrationLoader(connection).project_state(("archives", "0003_groups")).apps


def permissions_of(name: str) -> set[str]:
    found = Permission.objects.filter(group__name=name)
    return {".".join(pair) for pair in found.values_list("content_type__app_label", "codename")}


class TestGroups:
    def test_are_made_before_any_permission_is(self, as_of_then: StateApps) -> None:
        Group.objects.all().delete()
        ContentType.objects.all().delete()

        migration.create(as_of_then, connection.schema_editor())

        assert permissions_of("moderator") == set(migration.MODERATOR)
        assert permissions_of("operator") == set(migration.OPERATOR)
        names = dict(Permission.objects.values_list("codename", "name"))
        assert names["change_gamesession"] == "Can change game session"

    def test_keep_what_they_were_given_besides(self, as_of_then: StateApps) -> None:
        create_groups()
        Group.objects.get(name="moderator").permissions.add(
            Permission.objects.get(codename="view_job")
        )
        Group.objects.get(name="operator").permissions.clear()
        count = Permission.objects.count()

        migration.create(as_of_then, connection.schema_editor())

        assert permissions_of("moderator") == {*migration.MODERATOR, "livequery.view_job"}
        assert permissions_of("operator") == set(migration.OPERATOR)
        assert Permission.objects.count() == count

    def test_are_not_made_if_a_permission_is_none(
        self, as_of_then: StateApps, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migration, "GROUPS", {"moderator": ["leaderboard.bend_entry"]})

        with pytest.raises(as_of_then.get_model("auth", "Permission").DoesNotExist):
            migration.create(as_of_then, connection.schema_editor())

    def test_say_nothing_of_rights_and_staff(self) -> None:
        assert set(migration.MODERATOR) < set(migration.OPERATOR)
        for name in migration.OPERATOR:
            app, _, codename = name.partition(".")
            assert app not in {"auth", "contenttypes", "sessions"}
            assert codename not in {"add_user", "delete_user", "change_logentry"}
