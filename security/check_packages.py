"""Hold uv.lock against known advisories, without the network: every package pinned, hashed, none known to be unsafe.

Run: python security/check_packages.py [--database FOLDER]

The list beside this file is short and kept by hand. FOLDER holds OSV's records of PyPI as JSON files (their all.zip,
fetched where there is a network and unpacked). Exit code 1 when something is found, each on a line of its own.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
ADVISORIES = Path(__file__).resolve().parent / "advisories.toml"


def main() -> int:
    """Print what is wrong with the locked packages; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", type=Path, default=ROOT / "uv.lock")
    parser.add_argument("--database", type=Path, help="a folder with OSV's records of PyPI, *.json")
    arguments = parser.parse_args()
    packages = locked(tomllib.loads(arguments.lock.read_text()))
    found = [*unpinned(packages), *listed(packages, tomllib.loads(ADVISORIES.read_text())["advisory"])]
    if arguments.database is not None:
        found += recorded(packages, arguments.database)
    for line in found:
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(f"{len(packages)} locked packages, {len(found)} findings\n")
    return 1 if found else 0


def locked(lock: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the packages of a lock file that come from elsewhere."""
    return [each for each in lock["package"] if "editable" not in each.get("source", {})]


def unpinned(packages: list[dict[str, Any]]) -> Iterator[str]:
    """Yield packages whose files could be exchanged without anybody noticing."""
    for package in packages:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if not files or any("hash" not in file for file in files):
            yield f"{package['name']} {package.get('version', '?')}: locked without hashes"
        if "registry" not in package.get("source", {}):
            yield f"{package['name']} {package.get('version', '?')}: does not come from a registry"


def listed(packages: list[dict[str, Any]], advisories: list[dict[str, str]]) -> Iterator[str]:
    """Yield packages in a version that the list beside this file names."""
    for package in packages:
        for advisory in advisories:
            is_named = canonicalize_name(package["name"]) == canonicalize_name(advisory["package"])
            if is_named and SpecifierSet(advisory["unsafe"]).contains(package["version"], prereleases=True):
                yield f"{package['name']} {package['version']}: {advisory['id']} ({advisory['unsafe']})"


def recorded(packages: list[dict[str, Any]], folder: Path) -> Iterator[str]:
    """Yield packages in a version that one of OSV's records names."""
    versions = {canonicalize_name(package["name"]): package["version"] for package in packages}
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        if record.get("withdrawn"):
            continue
        for affected in record.get("affected", []):
            of = affected.get("package", {})
            version = versions.get(canonicalize_name(of.get("name", "")))
            if of.get("ecosystem") == "PyPI" and version is not None and _is_affected(version, affected):
                yield f"{of['name']} {version}: {record['id']} {record.get('summary', '')}"


def _is_affected(version: str, affected: dict[str, Any]) -> bool:
    if version in affected.get("versions", []):
        return True
    return any(
        _is_within(Version(version), each["events"])
        for each in affected.get("ranges", [])
        if each.get("type") == "ECOSYSTEM"
    )


def _is_within(version: Version, events: list[dict[str, str]]) -> bool:
    """Say whether a version lies between the events of a range: introduced, then fixed or last affected."""
    is_in = False
    for event in events:
        try:
            if "introduced" in event:
                is_in = is_in or version >= Version("0" if event["introduced"] == "0" else event["introduced"])
            elif "fixed" in event:
                is_in = is_in and version < Version(event["fixed"])
            elif "last_affected" in event:
                is_in = is_in and version <= Version(event["last_affected"])
        except InvalidVersion:
            continue
    return is_in


if __name__ == "__main__":
    sys.exit(main())
