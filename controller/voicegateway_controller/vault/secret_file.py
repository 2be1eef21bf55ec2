"""A file of vault secrets, of one's own machine: made once, read by its owner alone, changed in one step."""

import os
from pathlib import Path


def ensure_secret(path: Path, fresh: str) -> None:
    """Make the file with this secret, unless it is there."""
    if not path.exists():
        add_secret(path, fresh)


def add_secret(path: Path, fresh: str) -> None:
    """Put a secret before those of a file, made if missing; a kill leaves the old file or the new one.

    Raises OSError.
    """
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{fresh}\n{kept}")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
