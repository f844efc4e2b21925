"""Entries of banned players leave their boards and the ranks, whether or not they are hidden."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

CREATE = """
    CREATE OR REPLACE FUNCTION leaderboard_note_rank_delta() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' AND OLD.ranked AND NOT OLD.hidden AND NOT OLD.suspended THEN
            INSERT INTO leaderboard_rankdelta (board_key, score, change)
            VALUES (OLD.board_id, OLD.score, -1);
        END IF;
        IF TG_OP <> 'DELETE' AND NEW.ranked AND NOT NEW.hidden AND NOT NEW.suspended THEN
            INSERT INTO leaderboard_rankdelta (board_key, score, change)
            VALUES (NEW.board_id, NEW.score, 1);
        END IF;
        RETURN NULL;
    END $$;

    DROP TRIGGER leaderboard_entry_rank_delta ON leaderboard_entry;
    CREATE TRIGGER leaderboard_entry_rank_delta
    AFTER INSERT OR DELETE OR UPDATE OF board_id, score, ranked, hidden, suspended
    ON leaderboard_entry
    FOR EACH ROW EXECUTE FUNCTION leaderboard_note_rank_delta();
"""

RESTORE = """
    CREATE OR REPLACE FUNCTION leaderboard_note_rank_delta() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' AND OLD.ranked AND NOT OLD.hidden THEN
            INSERT INTO leaderboard_rankdelta (board_key, score, change)
            VALUES (OLD.board_id, OLD.score, -1);
        END IF;
        IF TG_OP <> 'DELETE' AND NEW.ranked AND NOT NEW.hidden THEN
            INSERT INTO leaderboard_rankdelta (board_key, score, change)
            VALUES (NEW.board_id, NEW.score, 1);
        END IF;
        RETURN NULL;
    END $$;

    DROP TRIGGER leaderboard_entry_rank_delta ON leaderboard_entry;
    CREATE TRIGGER leaderboard_entry_rank_delta
    AFTER INSERT OR DELETE OR UPDATE OF board_id, score, ranked, hidden ON leaderboard_entry
    FOR EACH ROW EXECUTE FUNCTION leaderboard_note_rank_delta();
"""


def create(_apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE)


def restore(_apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(RESTORE)


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0003_rank_trigger")]
    operations = [
        migrations.AddField(
            model_name="entry",
            name="suspended",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RemoveIndex(model_name="entry", name="leaderboard_entry_order"),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                models.F("board"),
                models.OrderBy(models.F("score"), descending=True),
                models.F("achieved_at"),
                models.F("id"),
                condition=models.Q(("hidden", False), ("ranked", True), ("suspended", False)),
                name="leaderboard_entry_order",
            ),
        ),
        migrations.RunPython(create, restore),
    ]
