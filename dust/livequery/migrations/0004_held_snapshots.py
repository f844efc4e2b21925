"""Where processes find the snapshots that others hold."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("livequery", "0003_request_owner")]

    operations = [
        migrations.CreateModel(
            name="HeldSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ts", models.BigIntegerField(db_index=True)),
                ("name", models.CharField(max_length=64)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={"db_table": "livequery_snapshot"},
        ),
    ]
