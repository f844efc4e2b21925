from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# What a group may do is added by the migration after the model; these are as they are today.
MODERATOR = (
    "accounts.view_user",
    "accounts.change_user",  # ban, unban, and take away names and pictures; staff is out of reach
    "accounts.view_ban",
    "accounts.view_tombstone",
    "admin.view_logentry",
    "archives.view_archive",
    "archives.view_run",
    "gamesessions.view_gamesession",
    "gamesessions.change_gamesession",  # void
    "gamesessions.view_playevent",
    "gamesessions.view_save",
    "gamesessions.change_save",  # restore
    "leaderboard.view_attempt",
    "leaderboard.view_board",
    "leaderboard.view_entry",
    "leaderboard.change_entry",  # hide and unhide
    "leaderboard.delete_entry",
)
CONTENT = ("page", "level", "pagevariant", "cachedcontent")
OPERATOR = (
    *MODERATOR,
    *(f"archives.{may}_{kind}" for kind in CONTENT for may in ("view", "add", "change", "delete")),
    "accounts.view_erasure",
    "archives.view_ingestcredential",
    "archives.add_ingestcredential",
    "archives.change_ingestcredential",  # revoke
    "livequery.view_cronrow",
    "livequery.view_job",
)
GROUPS = {"moderator": MODERATOR, "operator": OPERATOR}


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add to the groups, which may be there, what they may do.

    Permissions are otherwise made after all migrations. One that no model has stops the migration.
    """
    using = schema_editor.connection.alias
    for label in sorted({name.partition(".")[0] for name in OPERATOR}):
        app = apps.get_app_config(label)
        if not getattr(app, "models_module", None):  # migrations know of none
            app.models_module = True  # type: ignore[assignment]
        create_permissions(app, verbosity=0, using=using, apps=apps)
    groups = apps.get_model("auth", "Group").objects.using(using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    for group, names in GROUPS.items():
        row, _ = groups.get_or_create(name=group)
        for label, _, codename in (name.partition(".") for name in names):
            found = permissions.get(content_type__app_label=label, codename=codename)
            row.permissions.add(found)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_bans_and_deletion"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("archives", "0002_runs"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("gamesessions", "0001_initial"),
        ("leaderboard", "0005_scorebound"),
        ("livequery", "0002_jobs"),
    ]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
