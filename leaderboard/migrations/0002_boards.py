from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# As they are today: the rules of later versions may know other boards.
BOARDS = [(f"solo:{level}", "solo", level) for level in range(1, 11)] + [("coop", "coop", None)]


def create(apps: StateApps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    board = apps.get_model("leaderboard", "Board")
    board.objects.bulk_create(board(key=key, kind=kind, level=level) for key, kind, level in BOARDS)


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
