"""Where the leaderboard stands: its page, and REST."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from leaderboard.views import LeaderboardViewSet, show_boards

router = SimpleRouter()
router.register("leaderboards", LeaderboardViewSet, basename="leaderboard")

urlpatterns = [
    path("", show_boards, name="boards"),
    path("api/v1/", include(router.urls)),
]
