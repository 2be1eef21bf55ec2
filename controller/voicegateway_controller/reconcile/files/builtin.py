"""The column mappings that come along."""

from functools import cache
from importlib.resources import files
from types import MappingProxyType

from voicegateway_controller.reconcile.files.mapping import ColumnMapping, parse_mapping


@cache
def builtin() -> MappingProxyType[str, ColumnMapping]:
    """Mappings by their names."""
    folder = files("voicegateway_controller.reconcile.files") / "profiles"
    texts = (each.read_text("utf-8") for each in folder.iterdir() if each.name.endswith(".yaml"))
    found = {mapping.name: mapping for mapping in map(parse_mapping, texts)}
    return MappingProxyType(dict(sorted(found.items())))
