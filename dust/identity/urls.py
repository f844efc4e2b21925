"""Where the local issuer publishes its keys, as OpenID providers do."""

from django.urls import path

from dust.identity import views

app_name = "local-issuer"
urlpatterns = [
    path(".well-known/openid-configuration", views.discovery, name="discovery"),
    path(".well-known/jwks.json", views.jwks, name="jwks"),
]
