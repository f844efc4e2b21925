"""On PostgreSQL the database itself notes each change that ranks depend on.

The counters of ``leaderboard.queries.ranks`` are an index over the entries. Like its other indexes, the
database keeps it whichever way a row is written or deleted: by a service, the admin, a cascade.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

CREATE = """
    CREATE FUNCTION leaderboard_note_rank_delta() RETURNS trigger LANGUAGE plpgsql AS $$
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

    CREATE TRIGGER leaderboard_entry_rank_delta
    AFTER INSERT OR DELETE OR UPDATE OF board_id, score, ranked, hidden ON leaderboard_entry
    FOR EACH ROW EXECUTE FUNCTION leaderboard_note_rank_delta();

    -- Rows live here for a moment only: what they leave behind is not to pile up.
    ALTER TABLE leaderboard_rankdelta SET (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000
    );
"""

DROP = """
    DROP TRIGGER leaderboard_entry_rank_delta ON leaderboard_entry;
    DROP FUNCTION leaderboard_note_rank_delta();
"""


def create(_apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE)


def drop(_apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0002_boards")]
    operations = [migrations.RunPython(create, drop)]
