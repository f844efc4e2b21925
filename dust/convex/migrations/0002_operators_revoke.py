from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# Keys are made by command: whoever may run one here could do everything anyway.
OPERATOR = ("view_adminkey", "change_adminkey")  # look, and revoke


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let operators, of whom there may be none yet, look at admin keys and revoke them.

    Permissions are otherwise made after all migrations.
    """
    using = schema_editor.connection.alias
    app = apps.get_app_config("convex")
    if not getattr(app, "models_module", None):  # migrations know of none
        app.models_module = True  # type: ignore[assignment]
    create_permissions(app, verbosity=0, using=using, apps=apps)
    groups = apps.get_model("auth", "Group").objects.using(using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    operator, _ = groups.get_or_create(name="operator")
    for codename in OPERATOR:
        found = permissions.get(content_type__app_label="convex", codename=codename)
        operator.permissions.add(found)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("convex", "0001_admin_keys"),
    ]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
