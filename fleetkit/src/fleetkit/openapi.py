"""The API's own description: OpenAPI 3.1 and Swagger UI, with no internet."""

import base64
import hashlib
import re
from importlib import resources
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from fleetkit import problems

_ASSETS: Final = "/docs/assets"
_SCHEMAS: Final = "#/components/schemas/{model}"
_FASTAPIS_OWN: Final = ("HTTPValidationError", "ValidationError")


_POLICY: Final = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def _policy(page: str) -> str:
    """Let a browser run our own files and the scripts that stand in this very page, no others."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _SCRIPT.findall(page))
    hashes = (f" 'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return _POLICY.format(scripts="".join(hashes))


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Replace FastAPI's own shape of a 422 by ours, which is what is really answered."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    problem = problems.Problem.model_json_schema(ref_template=_SCHEMAS)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for path in document.get("paths", {}).values():
        for operation in path.values():
            answers = operation.get("responses", {})
            if "HTTPValidationError" in str(answers.get("422", "")):
                answers.update({str(k): v for k, v in problems.responses(422).items()})
    return document


def install(app: FastAPI) -> None:
    """Serve the page, its assets from our own files, and the document."""
    folder = resources.files("fastapi_offline") / "static"
    app.mount(_ASSETS, StaticFiles(directory=str(folder)), name="docs-assets")
    original = app.openapi

    def openapi() -> dict[str, Any]:
        # The first call keeps the document in the app, the next ones answer that same one.
        fresh = app.openapi_schema is None
        document = original()
        return describe(document) if fresh else document

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            # As seen from the page itself, which nginx may show under a prefix.
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url=f"{_ASSETS[1:]}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS[1:]}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS[1:]}/favicon.png",
            # Else the page sends our document to a validator on the internet.
            swagger_ui_parameters={"validatorUrl": None},
        )
        page.headers["content-security-policy"] = _policy(bytes(page.body).decode())
        return page
