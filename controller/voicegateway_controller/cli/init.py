"""`voicegw init`: a few questions, then a voicegw.yaml that works."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.init_text import Answers, written
from voicegateway_controller.cli.init_vendors import Vendor, found
from voicegateway_shared.errors import ConfigurationError

FILE_DEFAULT: Final = Path("voicegw.yaml")
SCHEMA_NAME: Final = ".voicegw.schema.json"
"""Beside the file: it is of this very version, and editors need no network for it."""
PROJECT_DEFAULT: Final = "default"
DAILY_DEFAULT: Final = "25.00"
ACTION_DEFAULT: Final = "end_session"
ACTIONS: Final = ("warn", "throttle", "block", "end_session")


def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = FILE_DEFAULT,
    is_sure: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take what is found, and defaults.")
    ] = False,
    is_forced: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    project: Annotated[str | None, typer.Option(help="Who pays for the calls.")] = None,
    budget: Annotated[
        str | None, typer.Option(help="What the project may spend a day, in USD; 0 for no budget.")
    ] = None,
) -> None:
    """Write a voicegw.yaml that works: the vendors' keys of the environment, models, a budget. Never overwrites."""
    if file.exists() and not is_forced:
        raise ConfigurationError(f"{file} is there already: edit it, name another file, or replace it with --force")
    vendors = found(os.environ)
    _say_found(vendors)
    answers = Answers(
        vendors=[each for each in vendors if is_sure or typer.confirm(f"Use {each[0].id} (${each[1]})?", default=True)],
        project=_asked(project, "Who pays for the calls (a project's name)?", PROJECT_DEFAULT, is_sure=is_sure),
        daily_usd=_asked(budget, "What may it spend a day, in USD (0: no budget)?", DAILY_DEFAULT, is_sure=is_sure),
    )
    if answers.has_budget and not is_sure:
        answers.action = typer.prompt(f"And then? One of {', '.join(ACTIONS)}", default=ACTION_DEFAULT)
    text = written(answers, schema=SCHEMA_NAME)
    _refuse_wrong(text, file)
    _write(file.parent / SCHEMA_NAME, _schema(), is_forced=True)
    _write(file, text, is_forced=is_forced)
    output.line(f"{file} is written, {SCHEMA_NAME} beside it for editors. What now:")
    output.line("  voicegw config validate       is it right, after you have edited it")
    output.line(f"  VOICEGATEWAY_CONFIG={file} voicegw up    run everything here with it")
    output.line("  voicegw config apply          or declare it to a controller that runs")


def _say_found(vendors: list[tuple[Vendor, str]]) -> None:
    if vendors:
        output.line("keys in the environment: " + ", ".join(f"{vendor.id} (${name})" for vendor, name in vendors))
    else:
        output.line("no vendor's key is in the environment: the file says where they go.", style="yellow")


def _asked(given: str | None, question: str, default: str, *, is_sure: bool) -> str:
    if given is not None:
        return given
    return default if is_sure else str(typer.prompt(question, default=default)).strip()


def _refuse_wrong(text: str, file: Path) -> None:
    """Hold what was answered to the readers, before anything is written."""
    from voicegateway_controller.configuration.document import checked, read_document

    checked(read_document(text, name=str(file)))


def _schema() -> str:
    import json

    from voicegateway_controller.configuration.document.schema import build_schema
    from voicegateway_controller.limits.providers import known_providers

    return json.dumps(build_schema(known_providers()), indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str, *, is_forced: bool) -> None:
    """Put a whole file in its place in one step; one that appeared meanwhile is left alone unless forced."""
    try:
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".partial")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(partial, 0o644)  # nothing in it is secret: keys are named, never written
        if is_forced:
            Path(partial).replace(path)
            return
        try:
            os.link(partial, path)
        except FileExistsError as error:
            raise ConfigurationError(f"{path} appeared meanwhile: nothing was written") from error
        finally:
            Path(partial).unlink()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
