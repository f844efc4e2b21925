"""The OpenAPI document, and a page that shows it with nothing from other machines or inline."""

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from typing_extensions import override


class OnceGenerator(SchemaGenerator):
    """Makes the document when it is first asked for; the code it describes does not change."""

    @override
    def get_schema(self, request: Request | None = None, public: bool = False) -> Any:
        return _document()


@cache
def _document() -> Any:
    generator: Any = SchemaGenerator  # which has no types
    return generator().get_schema(public=True)


class SchemaView(SpectacularAPIView):
    """The document, as JSON, for everybody."""

    authentication_classes = []
    generator_class = OnceGenerator
    renderer_classes = [OpenApiJsonRenderer2]


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI, with templates that a strict Content-Security-Policy allows."""

    authentication_classes = []
    url_name = "schema"
    template_name = "dust/docs.html"
    template_name_js = "dust/docs.js"
