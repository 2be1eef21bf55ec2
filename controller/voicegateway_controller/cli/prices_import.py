"""`voicegw prices import`: a price file, or the library genai-prices, becomes managed prices."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.costs import instant
from voicegateway_controller.cli.prices_change import Account, DryRun, Json, Project, Reason
from voicegateway_controller.cli.progress import stepped
from voicegateway_shared.errors import ConfigurationError

LIBRARY: Final = "genai-prices"
IMPORT_TIMEOUT_S: Final = 90.0
"""A large provider has some thousand rows, each checked against all others."""
NOTES_MAX: Final = 5
"""Shown of one provider's: an import of many new models has a note for each."""


def import_prices(
    source: Annotated[str, typer.Argument(help="A price file (YAML), or `genai-prices`.")],
    providers: Annotated[
        list[str] | None,
        typer.Option("--provider", help="Of genai-prices only these; `all`: every one. Default: those priced already."),
    ] = None,
    project: Project = "",
    account: Account = "",
    since: Annotated[
        str | None, typer.Option("--from", help="Changed prices hold from this instant or day (UTC); default: now.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--write", help="Only write the price files into this folder, to be looked at.")
    ] = None,
    reason: Reason = "",
    is_dry_run: DryRun = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Import a price file, or the library genai-prices: what is priced alike already is left alone."""
    from voicegateway_controller.cli.prices_source import PATH, utc_text

    files, refused = _library(providers or []) if source == LIBRARY else (_file(Path(source)), [])
    if folder is not None:
        _write(folder, files)
        _say_refused(refused, is_json=False)
        return
    client = api_client(url, token, home.expanduser())
    now = datetime.now(UTC)
    asked: dict[str, Any] = {"project": project, "account": account, "is_dry_run": is_dry_run}
    asked["reason"] = reason or f"imported from {source}"
    if since is not None:
        asked["effective_from"] = utc_text(instant(since, now=now, name="from"))
    results = []
    for provider, name, text in stepped(files, "importing", is_quiet=is_json):
        answer = client.post(f"{PATH}/import", {**asked, "file": text, "name": name}, timeout_s=IMPORT_TIMEOUT_S)
        results.append({"provider": provider, **answer})
    if is_json:
        output.as_json({"imported": results, "refused": refused})
        return
    for result in results:
        verb = "would be" if result["is_dry_run"] else "are"
        output.line(
            f"{result['provider']}: {result['added']} prices {verb} new, {result['changed']} changed, "
            f"{result['unchanged']} as they were (revision {result['revision']})"
        )
        for warning in result["warnings"][:NOTES_MAX]:
            output.line(f"note: {warning}", style="yellow")
        if len(result["warnings"]) > NOTES_MAX:
            output.line(f"and {len(result['warnings']) - NOTES_MAX} more notes; --json has all", style="yellow")
    _say_refused(refused, is_json=is_json)


def _file(path: Path) -> list[tuple[str, str, str]]:
    """A price file, checked before it is sent: mistakes are told with their lines."""
    from voicegateway_shared.document import BYTES_MAX
    from voicegateway_shared.pricing.document import read_document
    from voicegateway_shared.pricing.errors import CatalogError

    try:
        if path.stat().st_size > BYTES_MAX:
            raise ConfigurationError(f"{path}: larger than {BYTES_MAX} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; give a price file or {LIBRARY!r}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no text: {error}") from error
    document = read_document(text, name=str(path))
    if document.problems:
        raise CatalogError(document.problems)
    return [(document.provider, path.name, text)]


def _library(providers: list[str]) -> tuple[list[tuple[str, str, str]], list[dict[str, str]]]:
    from voicegateway_controller.catalog.importing.genai import library_version, pricing_urls
    from voicegateway_controller.catalog.importing.price_file import import_library
    from voicegateway_shared.pricing.catalog import Catalog

    library_version()  # Where it is not installed, that says what to install.
    catalog = Catalog.builtin()
    wanted = [] if "all" in providers else providers
    if not providers:
        wanted = sorted({price.provider for price in catalog.prices} & pricing_urls().keys())
    imported = import_library(read_on=datetime.now(UTC).date(), providers=wanted, known=catalog)
    refused = [{"provider": each.provider, "model": each.model, "reason": each.reason} for each in imported.refused]
    return [(file.provider, f"{imported.library}/{file.provider}", file.text) for file in imported.files], refused


def _write(folder: Path, files: list[tuple[str, str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for provider, _, text in files:
        path = folder / f"{provider}.yaml"
        path.write_text(text, encoding="utf-8")
        output.line(f"{path}: {text.count('- model:')} entries. Nothing was imported.")


def _say_refused(refused: list[dict[str, str]], *, is_json: bool) -> None:
    reasons: dict[str, int] = {}
    for each in refused:
        reason = each["reason"].partition(":")[0]
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        output.line(f"left out {count} models: {reason}", style="dim")
