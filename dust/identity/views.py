"""The local issuer's public documents; not found where it is off."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from dust.identity import local_issuer


@require_safe
def discovery(request: HttpRequest) -> HttpResponse:
    """Answer the issuer's name and where its keys are."""
    _require_local_issuer()
    jwks_uri = request.build_absolute_uri(reverse("local-issuer:jwks"))
    return JsonResponse(local_issuer.discovery(jwks_uri))


@require_safe
def jwks(_request: HttpRequest) -> HttpResponse:
    """Answer the public keys."""
    _require_local_issuer()
    return HttpResponse(local_issuer.public_keys(), content_type="application/json")


def _require_local_issuer() -> None:
    if not settings.LOCAL_ISSUER:
        raise Http404
