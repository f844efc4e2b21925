"""Jobs, crons and workers."""

import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the scheduler keeps."""

    dependencies = [("livequery", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="CronRow",
            fields=[
                ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("schedule", models.CharField(max_length=100)),
                ("next_at", models.DateTimeField()),
            ],
            options={"verbose_name": "cron", "db_table": "livequery_cron"},
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("path", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=8)),
                ("args", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("inProgress", "in progress"),
                            ("success", "success"),
                            ("failed", "failed"),
                            ("canceled", "canceled"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("scheduled_at", models.DateTimeField()),
                ("completed_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, default="", max_length=300)),
                ("cron", models.CharField(blank=True, default="", max_length=100)),
                ("claimed_by", models.CharField(blank=True, default="", max_length=16)),
                ("tries", models.SmallIntegerField(default=0)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["kind", "scheduled_at", "id"],
                        name="livequery_job_due",
                    ),
                    models.Index(
                        condition=models.Q(("state", "inProgress")),
                        fields=["claimed_by"],
                        name="livequery_job_claimed",
                    ),
                    models.Index(
                        condition=models.Q(("completed_at__isnull", False)),
                        fields=["completed_at"],
                        name="livequery_job_over",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("state__in", ["pending", "inProgress"]),
                            models.Q(("cron", ""), _negated=True),
                        ),
                        fields=("cron",),
                        name="livequery_job_cron_alone",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="WorkerRow",
            fields=[
                ("name", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("expires_at", models.DateTimeField()),
            ],
            options={"db_table": "livequery_worker"},
        ),
    ]
