"""The WebSocket path of game sessions."""

from django.urls import path

from gamesessions.consumers import SessionConsumer

websocket_urlpatterns = [
    # Channels borrows Django's routes.
    path("ws/session/", SessionConsumer.as_asgi()),  # type: ignore[arg-type]
]
