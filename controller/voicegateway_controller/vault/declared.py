"""Keys by reference: declared in the `keys:` section of the configuration, read from variables and files."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.declared import Declared, DeclaredSets, SetCopy, SetTable, StoredSet, refuse_odd_texts
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.limits.providers import known_providers
from voicegateway_controller.vault.rules import ID_PATTERN, NOTE_CHARS_MAX, PROJECTS_MAX
from voicegateway_shared.errors import ConfigurationError

REFERENCES_MAX: Final = 200
PATH_CHARS_MAX: Final = 1_024
APPLY_LOCK: Final = 0x5647_4B45_5953
"""Advisory lock: sets are declared one after the other. The letters say VGKEYS."""
KEY_SETS: Final = SetTable("key_set", apply_lock=APPLY_LOCK)
_FIELDS: Final = ("id", "provider", "from_env", "from_file", "projects", "note")
_VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]{0,127}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReference:
    """Where one declared key is read; immutable. It holds no secret."""

    id: str
    provider: str
    from_env: str = ""
    """A variable of the controller."""
    from_file: str = ""
    """A file beside the controller, such as one of a mounted Kubernetes Secret."""
    projects: tuple[str, ...] | None = None
    """Which projects may use it; None means all."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDefinitions:
    """One revision; immutable. Revision 0 is what holds where nothing was ever declared: no references."""

    revision: int = 0
    document: Sequence[Declared] = ()
    references: tuple[KeyReference, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""


class KeySets(DeclaredSets[KeyDefinitions]):
    """The references in force; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, engine: AsyncEngine, copy: SetCopy) -> None:
        super().__init__("keys", engine, KEY_SETS, copy, revision=metrics.VAULT_REFERENCES_REVISION)

    def validate(self, document: object) -> tuple[KeyReference, ...]:
        """Return the references of a document; BadRequest with the reason when it is wrong."""
        refuse_odd_texts(document, "keys", text_chars_max=PATH_CHARS_MAX)
        try:
            return parse_keys(document)
        except ConfigurationError as error:
            raise BadRequest(str(error)) from error

    async def apply(self, document: object, *, by: str, expected: int | None = None) -> tuple[int, bool]:
        """Declare a whole set; return the revision that holds from now on, and whether it is a new one.

        Raises BadRequest with the reason when the set is wrong, Conflict when `expected` is not the revision in force,
        DatabaseUnavailable when it could not be stored: then nothing has changed.
        """
        self.validate(document)
        return await self._append(document, by=by, expected=expected)

    def _read(self, stored: StoredSet) -> KeyDefinitions:
        named = {each["provider"] for each in stored.document if isinstance(each.get("provider"), str)}
        return KeyDefinitions(
            revision=stored.revision,
            document=stored.document,
            references=parse_keys(stored.document, providers=known_providers() | named),
            created_at=stored.created_at,
            created_by=stored.created_by,
        )


def parse_keys(document: object, *, providers: Collection[str] | None = None) -> tuple[KeyReference, ...]:
    """Return the references of a `keys:` section, in their order; None declares none.

    Raises:
        ConfigurationError: something in it is wrong; the message names the place and never repeats what may be a key.
    """
    if document is None:
        return ()
    if not isinstance(document, Sequence) or isinstance(document, (str, bytes)):
        raise ConfigurationError("keys: must be a list of mappings")
    if len(document) > REFERENCES_MAX:
        raise ConfigurationError(f"keys: {len(document)} are declared, at most {REFERENCES_MAX} may be")
    known = known_providers() if providers is None else providers
    found: dict[str, KeyReference] = {}
    for index, declared in enumerate(document):
        place = f"keys[{index}]"
        reference = _reference(declared, place, known)
        if reference.id in found:
            raise ConfigurationError(f"{place}.id: {reference.id!r} is declared twice; give each key a name of its own")
        found[reference.id] = reference
    return tuple(found.values())


def _reference(declared: object, place: str, providers: Collection[str]) -> KeyReference:
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f"{place}: must be a mapping, a line of `key: value` each")
    for name in declared:
        if name in ("key", "secret", "api_key", "value", "token"):
            raise ConfigurationError(
                f"{place}.{name}: a key's text does not belong in a file: name where it is with from_env or "
                "from_file, or seal it with `voicegw keys add`"
            )
        if name not in _FIELDS:
            raise ConfigurationError(f"{place}.{str(name)[:40]}: unknown; a key has {', '.join(_FIELDS)}")
    from_env, from_file = (_text(declared, name, place, chars_max=PATH_CHARS_MAX) for name in ("from_env", "from_file"))
    if bool(from_env) == bool(from_file):
        raise ConfigurationError(f"{place}: needs one of from_env and from_file: where the key is read")
    if from_env and re.fullmatch(_VARIABLE, from_env) is None:
        # A key that was written here by mistake must not come back in the message.
        raise ConfigurationError(f"{place}.from_env: must be the name of a variable, such as OPENAI_API_KEY")
    if from_file and not from_file.startswith("/"):
        raise ConfigurationError(f"{place}.from_file: must be a whole path, from / on")
    key_id, provider = (_text(declared, name, place) for name in ("id", "provider"))
    if re.fullmatch(ID_PATTERN, key_id) is None:
        raise ConfigurationError(f"{place}.id: write small letters, digits, dots and dashes, at most 64, such as main")
    if provider not in providers:
        known = ", ".join(sorted(providers))
        raise ConfigurationError(f"{place}.provider: {provider[:80]!r} is unknown; take one of {known}")
    return KeyReference(
        id=key_id,
        provider=provider,
        from_env=from_env,
        from_file=from_file,
        projects=_projects(declared.get("projects"), f"{place}.projects"),
        note=_text(declared, "note", place, chars_max=NOTE_CHARS_MAX),
    )


def _text(declared: Mapping[Any, Any], name: str, place: str, *, chars_max: int = 256) -> str:
    value = declared.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > chars_max or not value.isprintable():
        raise ConfigurationError(f"{place}.{name}: must be a printable text of at most {chars_max} characters")
    return value


def _projects(value: object, place: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    if not is_list or not value or len(value) > PROJECTS_MAX:  # type: ignore[arg-type]  # a list by then
        raise ConfigurationError(f"{place}: must be a list of 1 to {PROJECTS_MAX} projects; absent, it is for all")
    for each in value:  # type: ignore[attr-defined]  # likewise
        if not isinstance(each, str) or not each or len(each) > 256 or not each.isprintable():
            raise ConfigurationError(f"{place}: must be names of projects")
    return tuple(dict.fromkeys(value))  # type: ignore[call-overload]  # likewise
