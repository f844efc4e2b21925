"""An admin of the test models."""

from django.contrib import admin
from django.urls import path

from tests.livequery_app.models import Team

site: admin.AdminSite = admin.AdminSite()
site.register(Team, admin.ModelAdmin)

urlpatterns = [path("admin/", site.urls)]
