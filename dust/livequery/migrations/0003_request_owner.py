"""Whose answers are stored."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Those that are stored already are nobody's, and go after their two weeks."""

    dependencies = [("livequery", "0002_jobs")]

    operations = [
        migrations.AddField(
            model_name="request",
            name="owner",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
        migrations.AddIndex(
            model_name="request",
            index=models.Index(
                condition=models.Q(("owner", ""), _negated=True),
                fields=["owner"],
                name="livequery_request_owner",
            ),
        ),
    ]
