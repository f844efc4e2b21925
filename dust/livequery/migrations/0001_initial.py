"""The engine's own tables."""

from typing import Any

import django.db.models.functions.datetime
from django.db import migrations, models


def add_transaction_id(_apps: Any, schema_editor: Any) -> None:
    """Have PostgreSQL note in each change row which transaction wrote it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE livequery_change ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id()"
        )
        schema_editor.execute("CREATE INDEX livequery_change_xid ON livequery_change (xid)")


def start_clock(apps: Any, _schema_editor: Any) -> None:
    """Insert the clock's one row."""
    apps.get_model("livequery", "Clock").objects.create(high_water=0)


class Migration(migrations.Migration):
    """The first one."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("origin", models.CharField(max_length=16)),
                ("seq", models.BigIntegerField()),
                ("ts", models.BigIntegerField()),
                ("payload", models.BinaryField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), db_index=True
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Clock",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("high_water", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="livequery_clock_single"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LeaseRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=200)),
                ("issuer", models.CharField(max_length=255)),
                ("subject", models.CharField(max_length=255)),
                ("key", models.CharField(max_length=255)),
                ("origin", models.CharField(max_length=16)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "db_table": "livequery_lease",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("path", "issuer", "subject", "key", "origin"),
                        name="livequery_lease_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Request",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("scope", models.CharField(max_length=300)),
                ("key", models.CharField(max_length=255)),
                ("fingerprint", models.CharField(max_length=64)),
                ("response", models.BinaryField(null=True)),
                ("ts", models.BigIntegerField(null=True)),
                ("created_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("scope", "key"), name="livequery_request_key")
                ],
            },
        ),
        migrations.RunPython(add_transaction_id, migrations.RunPython.noop),
        migrations.RunPython(start_clock, migrations.RunPython.noop),
    ]
