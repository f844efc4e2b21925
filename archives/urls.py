"""Where content and archives stand in REST."""

from django.urls import path

from archives.views import (
    ArchiveViewSet,
    ContentViewSet,
    IngestViewSet,
    ProjectViewSet,
    RunViewSet,
)

_PROJECT = "api/v1/projects/<project>/"
_RUN = "api/v1/runs/<run>/"

urlpatterns = [
    path(f"{_PROJECT}levels/", ProjectViewSet.as_view({"get": "levels"})),
    path(f"{_PROJECT}levels/<level>/", ProjectViewSet.as_view({"get": "level"})),
    path(f"{_PROJECT}levels/<level>/variants/", ProjectViewSet.as_view({"get": "variants"})),
    path(f"{_PROJECT}counts/", ProjectViewSet.as_view({"get": "counts"})),
    path(f"{_PROJECT}pages/<page>/", ProjectViewSet.as_view({"get": "page"})),
    path(f"{_PROJECT}pages/<page>/document/", ProjectViewSet.as_view({"get": "document"})),
    path("api/v1/content/random/", ContentViewSet.as_view({"get": "random"})),
    path("api/v1/content/demo/", ContentViewSet.as_view({"get": "demo"})),
    path("api/v1/ingest/pages/<key>/", IngestViewSet.as_view({"put": "pages"})),
    path("api/v1/ingest/levels/<key>/", IngestViewSet.as_view({"put": "levels"})),
    path("api/v1/ingest/variants/<key>/", IngestViewSet.as_view({"put": "variants"})),
    path("api/v1/archives/", ArchiveViewSet.as_view({"get": "list", "post": "create"})),
    path("api/v1/archives/totals/", ArchiveViewSet.as_view({"get": "totals"})),
    path("api/v1/archives/export/", ArchiveViewSet.as_view({"get": "export"})),
    path("api/v1/archives/<archive>/", ArchiveViewSet.as_view({"get": "retrieve"})),
    path("api/v1/runs/", RunViewSet.as_view({"post": "create"})),
    path(_RUN, RunViewSet.as_view({"get": "retrieve"})),
    path(f"{_RUN}lifelines/", RunViewSet.as_view({"post": "lifelines"})),
    path(f"{_RUN}archive/", RunViewSet.as_view({"post": "archive"})),
    path(f"{_RUN}next/", RunViewSet.as_view({"post": "next"})),
    path(f"{_RUN}finish/", RunViewSet.as_view({"post": "finish"})),
]
