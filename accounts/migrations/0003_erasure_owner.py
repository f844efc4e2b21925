"""Under which name the answers are stored that are to be erased."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_bans_and_deletion")]

    operations = [
        migrations.AddField(
            model_name="erasure",
            name="owner",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
    ]
