"""Where accounts stand in REST."""

from django.urls import path

from accounts.views import MeViewSet

urlpatterns = [
    path(
        "api/v1/me/",
        MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="me",
    ),
]
