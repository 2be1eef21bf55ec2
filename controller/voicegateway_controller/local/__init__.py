"""The whole product on one machine: embedded servers, controller and runner in one supervised process tree."""

from voicegateway_controller.local.child import Child
from voicegateway_controller.local.connection import Connection
from voicegateway_controller.local.stack import LocalStack

__all__ = ["Child", "Connection", "LocalStack"]
