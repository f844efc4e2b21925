"""Every path of the HTTP doors that go through Django."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from dust.rest.docs import DocsView, SchemaView
from dust.sockets import asyncapi
from leaderboard.routing import websocket_urlpatterns

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(), name="docs"),
    path("api/asyncapi.json", asyncapi.show, {"routes": websocket_urlpatterns}, name="asyncapi"),
    path("local-issuer/", include("dust.identity.urls")),
    path("", include("accounts.urls")),
    path("", include("leaderboard.urls")),
]

handler400 = "dust.rest.errors.bad_request"
handler403 = "dust.rest.errors.permission_denied"
handler404 = "dust.rest.errors.page_not_found"
handler500 = "dust.rest.errors.server_error"
