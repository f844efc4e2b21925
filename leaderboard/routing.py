"""The leaderboard's WebSocket paths."""

from django.urls import path

from leaderboard.consumers import LeaderboardConsumer

websocket_urlpatterns = [
    # Channels borrows Django's routes.
    path("ws/leaderboard/<str:board>/", LeaderboardConsumer.as_asgi()),  # type: ignore[arg-type]
]
