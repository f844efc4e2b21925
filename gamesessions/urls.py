"""Where game sessions stand in REST."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from gamesessions.views import SessionViewSet

router = SimpleRouter()
router.register("sessions", SessionViewSet, basename="session")

urlpatterns = [path("api/v1/", include(router.urls))]
