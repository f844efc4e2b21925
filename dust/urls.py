"""Every path: those of sockets, and those of the HTTP doors that go through Django."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from dust.rest.docs import DocsView, SchemaView
from dust.sockets import asyncapi
from gamesessions import routing as gamesessions
from leaderboard import routing as leaderboard

websocket_urlpatterns = [*gamesessions.websocket_urlpatterns, *leaderboard.websocket_urlpatterns]

urlpatterns: list[URLPattern | URLResolver] = [
    # Nothing has a page of its own on the site, and the admin's view cannot read keys like ours.
    path("admin/r/<path:row>", RedirectView.as_view()),
    path("admin/", admin.site.urls),
    # What browsers ask for on pages that name no icon, as the admin's.
    path("favicon.ico", RedirectView.as_view(url=static("leaderboard/icon.svg"))),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(), name="docs"),
    path("api/asyncapi.json", asyncapi.show, {"routes": websocket_urlpatterns}, name="asyncapi"),
    path("local-issuer/", include("dust.identity.urls")),
    path("", include("accounts.urls")),
    path("", include("gamesessions.urls")),
    path("", include("leaderboard.urls")),
    path("", include("archives.urls")),
]

handler400 = "dust.rest.errors.bad_request"
handler403 = "dust.rest.errors.permission_denied"
handler404 = "dust.rest.errors.page_not_found"
handler500 = "dust.rest.errors.server_error"
