"""Creates the table of users."""

import django.db.models.functions.datetime
import django.db.models.functions.text
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    """The first one."""

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text=(
                            "Designates that this user has all permissions without explicitly "
                            "assigning them."
                        ),
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("issuer", models.CharField(max_length=255)),
                ("subject", models.CharField(max_length=255)),
                ("login", models.CharField(max_length=150, null=True, unique=True)),
                ("username", models.CharField(max_length=64)),
                ("avatar_url", models.CharField(blank=True, default="", max_length=2048)),
                ("is_staff", models.BooleanField(default=False)),
                ("is_active", models.BooleanField(default=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text=(
                            "The groups this user belongs to. A user will get all permissions "
                            "granted to each of their groups."
                        ),
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("issuer", "subject"), name="accounts_user_identity"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("username", django.db.models.functions.text.Trim("username")),
                            models.Q(("username", ""), _negated=True),
                        ),
                        name="accounts_user_username_trimmed",
                        violation_error_message="A username neither begins nor ends with a space.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("avatar_url", ""),
                            ("avatar_url__startswith", "http://"),
                            ("avatar_url__startswith", "https://"),
                            _connector="OR",
                        ),
                        name="accounts_user_avatar_url_web",
                        violation_error_message="An avatar is an http(s) URL or nothing.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("login__isnull", True),
                            models.Q(("issuer", "local-staff"), ("subject", models.F("login"))),
                            _connector="OR",
                        ),
                        name="accounts_user_login_is_staff_identity",
                    ),
                ],
            },
        ),
    ]
