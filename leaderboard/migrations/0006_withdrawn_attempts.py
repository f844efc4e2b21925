from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0005_scorebound")]
    operations = [
        migrations.AddField(
            model_name="attempt",
            name="withdrawn",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
