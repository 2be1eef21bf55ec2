"""Settings of the inference server: read once, from the environment and the file that it names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from voicegateway.options import CONFIG_VARIABLE
from voicegateway_shared.errors import ConfigurationError

HOST_DEFAULT: Final = "127.0.0.1"
PORT_DEFAULT: Final = 8590
CONNECTIONS_MAX_DEFAULT: Final = 1_000
"""A call has three or four at a time."""
DRAIN_S_DEFAULT: Final = 20.0
"""Shorter than Kubernetes' patience of 30 s; calls go on by themselves at another server."""
SECTION: Final = "inference"
VARIABLES: Final = tuple(f"VOICEGATEWAY_INFERENCE_{name}" for name in ("HOST", "PORT", "CONNECTIONS_MAX", "DRAIN_S"))
"""Of the environment, beside LiveKit's keys and what every worker reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One API key of LiveKit's kind that callers sign their tokens with."""

    api_key: str
    api_secret: str = field(repr=False)
    project: str | None = None
    """Who pays for its calls, whatever they say; None: what they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server runs with."""

    host: str = HOST_DEFAULT
    port: int = PORT_DEFAULT
    keys: tuple[Key, ...] = ()
    connections_max: int = CONNECTIONS_MAX_DEFAULT
    drain_s: float = DRAIN_S_DEFAULT
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Keyword arguments of plugins, by `provider` or `provider/stt`: where a vendor is reached, for example."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read `VOICEGATEWAY_INFERENCE_*`, LiveKit's variables, and the `inference:` section of the file.

        Raises:
            ConfigurationError: a value is wrong, or there is no key; the message says what to set.
        """
        environ = os.environ if environ is None else environ
        section = _section(environ.get(CONFIG_VARIABLE))
        keys = (*_environment_keys(environ), *_keys(section.get("keys")))
        if not keys:
            raise ConfigurationError(
                "the inference server has no key to check callers by: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, "
                "the same as on the workers"
            )
        return cls(
            host=str(_given(environ, section, "host", HOST_DEFAULT)),
            port=_whole(_given(environ, section, "port", PORT_DEFAULT), "port", most=65_535),
            keys=keys,
            connections_max=_whole(
                _given(environ, section, "connections_max", CONNECTIONS_MAX_DEFAULT), "connections_max", most=100_000
            ),
            drain_s=float(_whole(_given(environ, section, "drain_s", int(DRAIN_S_DEFAULT)), "drain_s", most=86_400)),
            plugins=_plugins(section.get("plugins")),
        )

    def arguments_of(self, model: str, modality: str) -> dict[str, Any]:
        """Return what every plugin of a model's vendor is told."""
        provider, slash, _ = model.partition("/")
        if not slash:
            return {}
        return {**self.plugins.get(provider, {}), **self.plugins.get(f"{provider}/{modality}", {})}


_KNOWN: Final = ("host", "port", "keys", "connections_max", "drain_s", "plugins")


def _section(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{CONFIG_VARIABLE}: cannot read {path}: {error}") from error
    section = document.get(SECTION) if isinstance(document, dict) else None
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise ConfigurationError(f"{path}: `{SECTION}:` must be a mapping; known keys are {', '.join(_KNOWN)}")
    unknown = sorted(str(name) for name in section if name not in _KNOWN)
    if unknown:
        raise ConfigurationError(f"{path}: unknown key {SECTION}.{unknown[0]}; known keys are {', '.join(_KNOWN)}")
    return section


def _given(environ: Mapping[str, str], section: Mapping[str, Any], name: str, default: object) -> object:
    value = environ.get(f"VOICEGATEWAY_INFERENCE_{name.upper()}")
    return value if value else section.get(name, default)


def _whole(value: object, name: str, *, most: int) -> int:
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else -1
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise ConfigurationError(f"VOICEGATEWAY_INFERENCE_{name.upper()}: {value!r}; give a number from 0 to {most}")
    return number


def _environment_keys(environ: Mapping[str, str]) -> list[Key]:
    found: list[Key] = []
    for prefix in ("LIVEKIT_INFERENCE", "LIVEKIT"):
        api_key, api_secret = environ.get(f"{prefix}_API_KEY"), environ.get(f"{prefix}_API_SECRET")
        if bool(api_key) != bool(api_secret):
            raise ConfigurationError(f"{prefix}_API_KEY and {prefix}_API_SECRET: set both, or neither")
        if api_key and api_secret:
            found.append(Key(api_key=api_key, api_secret=api_secret))
    return found


def _keys(given: object) -> list[Key]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise ConfigurationError(f"{SECTION}.keys: must be a list of `api_key`, `api_secret` and `project`")
    found: list[Key] = []
    for number, each in enumerate(given):
        if not isinstance(each, dict) or not {"api_key", "api_secret"} <= each.keys() <= _KEY_FIELDS:
            raise ConfigurationError(f"{SECTION}.keys[{number}]: give `api_key`, `api_secret` and perhaps `project`")
        if not all(isinstance(value, str) and value for value in each.values()):
            raise ConfigurationError(f"{SECTION}.keys[{number}]: every value must be a text, and not empty")
        found.append(Key(**each))
    return found


_KEY_FIELDS: Final = frozenset(("api_key", "api_secret", "project"))


def _plugins(given: object) -> dict[str, dict[str, Any]]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise ConfigurationError(f"{SECTION}.plugins: must map `provider` or `provider/stt` to keyword arguments")
    return {str(name): dict(each) for name, each in given.items()}
