"""The built dashboard's files, or a page that says how to build them."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)
_RESERVED: Final = ("api/", "v1/", "docs", "openapi.json")
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_NEVER: Final = {"Cache-Control": "no-cache"}
_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>VoiceGateway</title></head>
<body><h1>VoiceGateway is running</h1>
<p>The dashboard is not built in this installation. In a checkout run <code>make web</code> and reload;
an installed wheel brings it along.</p>
<p>The API is at <a href="/docs">/docs</a>; <code>voicegw costs</code> shows the same numbers in a terminal.</p>
</body></html>
"""


def web_root() -> Path:
    """Return where the built dashboard lies, whether or not it was built."""
    return Path(str(files("voicegateway_controller"))) / "web"


@router.get("/{path:path}")
async def page(request: Request, path: str) -> Response:
    """Serve a file of the bundle; any other address is a page inside the application."""
    if path.startswith(_RESERVED):
        raise HTTPException(404, "There is nothing at this address")
    root: Path = request.app.state.web_root
    index = root / "index.html"
    if not index.is_file():
        if path:
            raise HTTPException(404, "There is nothing at this address")
        return HTMLResponse(NOT_BUILT, headers=_SECURITY)
    wanted = _file(root, path)
    if wanted is not None:
        # Names under assets/ carry their content's hash.
        cache = _FOREVER if path.startswith("assets/") else _NEVER
        return FileResponse(wanted, headers={**cache, **_SECURITY})
    if path.startswith("assets/"):
        raise HTTPException(404, "There is nothing at this address")
    return FileResponse(index, headers={**_NEVER, **_SECURITY})


def _file(root: Path, path: str) -> Path | None:
    """Return the bundle's file at a path; None where there is none, or nothing may be served from there."""
    try:
        wanted = (root / path).resolve()
        is_ours = bool(path) and wanted.is_relative_to(root.resolve()) and wanted.is_file()
    except (OSError, ValueError):
        # Longer than a file's name may be, or with a zero byte: no file is called so.
        return None
    return wanted if is_ours else None
