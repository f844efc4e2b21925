"""The floor of the submit benchmark: an upsert as one first writes it with Django and DRF.

No identity, no idempotency, no attempts, no ranks, nothing live: a serializer, one row locked and
saved, Django's own ASGI handler on uvicorn. Run by ``-m tests.bench.floor`` with ``DATABASE_URL``.
"""

from typing import Any, ClassVar

import django
from django.conf import settings
from environs import Env

_database: dict[str, Any] = dict(Env().dj_db_url("DATABASE_URL"))
if "postgresql" in _database["ENGINE"]:
    _database["OPTIONS"] = {"pool": True}  # else it would connect anew for every request
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": _database},
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # which sets Content-Length
    ROOT_URLCONF=__name__,
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
)
django.setup()

# What follows needs the settings.
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from typing_extensions import override  # noqa: E402

from tests.bench.peers import serve_uvicorn  # noqa: E402


class Best(models.Model):
    """A player's best score."""

    player = models.CharField(max_length=64, unique=True)
    score = models.BigIntegerField()
    accuracy = models.FloatField()
    level = models.PositiveSmallIntegerField()
    pages_completed = models.PositiveSmallIntegerField()

    objects: ClassVar[models.Manager["Best"]] = models.Manager()

    class Meta:
        app_label = "floor"

    @override
    def __str__(self) -> str:
        return self.player


class BestSerializer(serializers.ModelSerializer[Best]):
    """What is submitted."""

    class Meta:
        model = Best
        fields: ClassVar = ["score", "accuracy", "level", "pages_completed"]


class SubmitView(APIView):
    """Keep the better of two scores."""

    def post(self, request: Request) -> Response:
        serializer = BestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            best, created = Best.objects.select_for_update().get_or_create(
                player=request.headers["X-Player"], defaults=serializer.validated_data
            )
            if not created and serializer.validated_data["score"] > best.score:
                serializer.update(best, serializer.validated_data)
        return Response(BestSerializer(best).data, status=201 if created else 200)


urlpatterns = [path("best/", SubmitView.as_view())]


if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Best)
    serve_uvicorn(get_asgi_application())
