"""The application as this project makes them: guards around everything, an OpenAPI that says what can happen."""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from voicegateway_controller.http import openapi, reference
from voicegateway_controller.http.guards import Guards
from voicegateway_controller.http.settings import HttpSettings


class GuardedApi(FastAPI):
    """FastAPI within the settings' bounds; lives as long as the server."""

    def __init__(self, settings: HttpSettings, **options: Any) -> None:
        """`options` are FastAPI's own."""
        self._settings = settings
        # Their own pages fetch scripts from elsewhere, which would run beside our cookie: `reference` is ours.
        super().__init__(generate_unique_id_function=openapi.operation_id, docs_url=None, redoc_url=None, **options)
        self.include_router(reference.router)

    def build_middleware_stack(self) -> ASGIApp:
        """Put the guards outside of what answers errors nobody foresaw, for those answers carry headers too."""
        return Guards(super().build_middleware_stack(), self._settings)

    def openapi(self) -> dict[str, Any]:
        """Return the description, with what every route can answer; made once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.completed(super().openapi())
        return self.openapi_schema
