"""What the process owns, as a route asks for it."""

from starlette.requests import Request

from voicegateway_controller.resources import Resources


def resources_of(request: Request) -> Resources:
    """Return what the process that answers a request owns; there from the application's start to its end."""
    resources: Resources = request.app.state.resources
    return resources
