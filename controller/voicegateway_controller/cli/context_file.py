"""Contexts: controllers by name, each with its address and token, in a file that its owner alone can read."""

import os
import re
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from voicegateway_shared.document import Document, DocumentWrong, Problem, read_document
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest

FILE_NAME: Final = "contexts.yaml"
CONTEXT_VARIABLE: Final = "VOICEGATEWAY_CONTEXT"
LOCAL: Final = "local"
"""The stack that `voicegw up` runs on this machine; always there."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
CONTEXTS_MAX: Final = 200
_KEYS: Final = ("url", "token", "token_env")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One controller; immutable. Its repr shows no token."""

    url: str
    token: str = field(default="", repr=False)
    token_env: str = ""
    """A variable that holds the token, where it must not be in a file."""

    def bearer(self, name: str) -> str:
        """Return its token; ConfigurationError where its variable is not set."""
        token = os.environ.get(self.token_env, "") if self.token_env else self.token
        if not token:
            raise ConfigurationError(
                f"context {name!r} reads its token from {self.token_env}, which is not set"
                if self.token_env
                else f"context {name!r} has no token: `voicegw contexts set {name} --token …`"
            )
        return token


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """What the file says; immutable."""

    path: Path
    contexts: dict[str, Context] = field(default_factory=dict)
    current: str = ""

    def get(self, name: str) -> Context:
        """Return the context of a name; ConfigurationError says which there are."""
        if name not in self.contexts:
            mend = nearest(name, (*self.contexts, LOCAL)) or f"there are {', '.join((LOCAL, *sorted(self.contexts)))}"
            raise ConfigurationError(f"there is no context {name!r}; {mend}")
        return self.contexts[name]

    def with_one(self, name: str, context: Context) -> "Contexts":
        """Return them with one more, or another one of its name; ConfigurationError for what is no name."""
        if not NAME.fullmatch(name) or name == LOCAL:
            raise ConfigurationError(
                f"{name!r} is no context's name: 1 to 64 letters, digits, '.', '_', '-'; {LOCAL!r} is this machine's"
            )
        if name not in self.contexts and len(self.contexts) >= CONTEXTS_MAX:
            raise ConfigurationError(f"{self.path}: {CONTEXTS_MAX} contexts are there; delete one first")
        return replace(self, contexts={**self.contexts, name: context})

    def write(self) -> None:
        """Replace the file in one step; its owner alone can read it."""
        document = {
            "current": self.current,
            "contexts": {
                name: {key: getattr(each, key) for key in _KEYS if getattr(each, key)}
                for name, each in self.contexts.items()
            },
        }
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made 0600 from the start, under a name of its own: nobody reads it between two steps.
            descriptor, partial = tempfile.mkstemp(dir=self.path.parent, prefix=f".{FILE_NAME}.")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                yaml.safe_dump(document, file, sort_keys=False)
            Path(partial).replace(self.path)
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror}") from error


def read_contexts(home: Path) -> Contexts:
    """Return the contexts of a home; none where there is no file.

    Raises:
        ConfigurationError: the file is wrong, or others could read the tokens in it.
    """
    path = home / FILE_NAME
    try:
        text = path.read_bytes()
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return Contexts(path=path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise ConfigurationError(f"{path} can be read by others, and tokens are in it: `chmod 600 {path}`")
    document = read_document(text, name=str(path))
    problems = _problems(document)
    if problems:
        raise DocumentWrong(problems)
    data = document.data
    contexts = {name: Context(**each) for name, each in (data.get("contexts") or {}).items()}
    return Contexts(path=path, contexts=contexts, current=data.get("current") or "")


def _problems(document: Document) -> list[Problem]:
    data = document.data
    problems = [
        document.problem_at((key,), "unknown key; known are current, contexts")
        for key in data
        if key not in ("current", "contexts")
    ]
    contexts: Any = {} if data.get("contexts") is None else data["contexts"]
    if not isinstance(contexts, dict) or not isinstance(data.get("current"), str | None):
        return [*problems, document.problem_at((), "must be `current: NAME` and `contexts: {NAME: {url: …}}`")]
    for name, each in contexts.items():
        path = ("contexts", name)
        if not isinstance(each, dict) or not each.get("url"):
            problems.append(document.problem_at(path, "must be a mapping with a `url:` and a `token:`"))
            continue
        problems += [
            document.problem_at((*path, key), f"unknown key; known are {', '.join(_KEYS)}")
            for key in each
            if key not in _KEYS
        ]
        problems += [
            document.problem_at((*path, key), "must be a text") for key in each if not isinstance(each[key], str)
        ]
    return problems
