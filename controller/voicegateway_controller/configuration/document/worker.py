"""The sections of the file that are others': a worker's options, and the inference server's. They have no layers."""

from collections.abc import Mapping
from typing import Any, Final

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest
from voicegateway_shared.worker_section import parse_worker

INFERENCE_KEYS: Final = ("host", "port", "keys", "connections_max", "drain_s", "plugins")
INFERENCE_WHOLE: Final[Mapping[str, int]] = {"port": 65_535, "connections_max": 100_000, "drain_s": 86_400}
"""Whole numbers of the inference server, and their most."""
CALLER_KEYS: Final = ("api_key", "api_secret", "project")


def check_worker(section: Any) -> None:
    """Raise ConfigurationError for a worker's options that no worker would take."""
    parse_worker(section)


def check_inference(section: Any) -> None:
    """Raise ConfigurationError for options that the inference server would not start with."""
    if not isinstance(section, Mapping):
        raise ConfigurationError("inference: must be a mapping of option names to values")
    for key in section:
        if key not in INFERENCE_KEYS:
            mend = nearest(str(key), INFERENCE_KEYS) or f"known are {', '.join(INFERENCE_KEYS)}"
            raise ConfigurationError(f"inference: unknown key {key!r}; {mend}")
    for key, most in INFERENCE_WHOLE.items():
        value = section.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise ConfigurationError(f"inference.{key}: {value!r} must be a whole number from 0 to {most:,}")
    if not isinstance(section.get("host", ""), str):
        raise ConfigurationError("inference.host: must be a text")
    _check_callers(section.get("keys"))
    _check_plugins(section.get("plugins"))


def _check_callers(given: Any) -> None:
    if given is None:
        return
    if not isinstance(given, list):
        raise ConfigurationError("inference.keys: must be a list of `api_key`, `api_secret` and perhaps `project`")
    for index, each in enumerate(given):
        if not isinstance(each, Mapping) or not {*CALLER_KEYS[:2]} <= each.keys() <= {*CALLER_KEYS}:
            raise ConfigurationError(f"inference.keys[{index}]: give `api_key`, `api_secret` and perhaps `project`")
        if not all(isinstance(value, str) and value for value in each.values()):
            raise ConfigurationError(f"inference.keys[{index}]: every value must be a text, and not empty")


def _check_plugins(given: Any) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping) or not all(isinstance(each, Mapping) for each in given.values()):
        raise ConfigurationError("inference.plugins: must map `provider` or `provider/stt` to keyword arguments")
