"""Where accounts stand: REST, and the address that Clerk is told."""

from django.urls import path

from accounts.views import MeViewSet, receive_webhook

urlpatterns = [
    path(
        "api/v1/me/",
        MeViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="me",
    ),
    path("api/v1/me/export/", MeViewSet.as_view({"get": "export"}), name="me-export"),
    path("clerk-users-webhook", receive_webhook, name="clerk-webhook"),
]
