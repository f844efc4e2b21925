from django.apps import AppConfig


class LiveQueryTestConfig(AppConfig):
    name = "tests.livequery_app"
    label = "livequery_app"
    default_auto_field = "django.db.models.BigAutoField"
