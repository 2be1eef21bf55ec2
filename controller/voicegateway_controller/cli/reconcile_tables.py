"""How a reconciliation looks in a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from voicegateway_controller.cli import output
from voicegateway_controller.reconcile.words import MEANINGS, TITLES


def print_report(found: dict[str, Any], cells: Sequence[dict[str, Any]]) -> None:
    """Print totals, the waterfall and the cells that differ most."""
    report = found["report"]
    derived = " (units or credits at our prices)" if report["is_derived"] else ""
    output.line(f"{found['provider']}, {found['month']}: reconciliation {found['number']}", style="bold")
    totals = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    totals.add_column()
    totals.add_column(justify="right")
    totals.add_row(f"vendor{derived}", f"${report['vendor_usd']}")
    totals.add_row("ledger", f"${report['ours_usd']}")
    totals.add_row("difference", signed(report["difference_usd"]))
    output.console.print(totals)
    if report["parts"]:
        output.console.print(_waterfall(report))
    if cells:
        output.console.print(_cells(cells, total=report["cells"]))
    for note in report["notes"]:
        output.line(f"note: {note}", style="dim")
    if found["accepted"] is not None:
        accepted = found["accepted"]
        output.line(
            f"accepted {accepted['accepted_at']} by {accepted['actor']}: {signed(accepted['booked_usd'])} booked"
        )


def print_groups(answer: dict[str, Any]) -> None:
    """Print both sides by day, model or key."""
    rows = [
        {**row, "key": row["key"] or "(none)", "difference_usd": signed(row["difference_usd"])}
        for row in answer["groups"]
    ]
    headings = {"key": answer["by"], "vendor_usd": "vendor USD", "ours_usd": "our USD", "difference_usd": "difference"}
    output.as_table(headings, rows, title=f"by {answer['by']}")


def print_runs(runs: Sequence[dict[str, Any]]) -> None:
    """Print one line per run."""
    rows = [
        {
            "number": run["number"],
            "provider": run["provider"],
            "month": run["month"],
            "source": run["source"] + (", nightly" if run["is_nightly"] else ""),
            "state": _state(run),
            "difference": signed(run["report"]["difference_usd"]) if run["report"] else "",
            "drift": f"${run['report']['drift_usd']}" if run["report"] else "",
        }
        for run in runs
    ]
    columns = ("number", "provider", "month", "source", "state", "difference", "drift")
    output.as_table({column: column for column in columns}, rows, title="reconciliations")


def comparison_table(answer: dict[str, Any]) -> None:
    """Print what changed between two runs."""
    output.line(f"{answer['before']} to {answer['after']}: vendor {signed(answer['vendor_change_usd'])}, "
                f"ledger {signed(answer['ours_change_usd'])}", style="bold")  # fmt: skip
    if answer["parts"]:
        rows = [
            {"part": TITLES[each["category"]], "before": signed(each["before_usd"]), "after": signed(each["after_usd"])}
            for each in answer["parts"]
        ]
        output.as_table({"part": "part", "before": "before", "after": "after"}, rows, title="parts")
    if answer["cells"]:
        rows = [
            {
                "day": each["day"] or "month",
                "what": " ".join(word for word in (each["model"], each["meter"], each["key_id"]) if word),
                "vendor": f"{each['vendor_before_usd']} → {each['vendor_after_usd']}",
                "ours": f"{each['ours_before_usd']} → {each['ours_after_usd']}",
            }
            for each in answer["cells"]
        ]
        output.as_table({"day": "day", "what": "what", "vendor": "vendor USD", "ours": "our USD"}, rows, title="cells")
    if not answer["parts"] and not answer["cells"]:
        output.line("Nothing changed.")


def verdict(found: dict[str, Any]) -> str:
    """One sentence on whether drift is within the threshold."""
    report = found["report"]
    word = "within" if report["is_within"] else "above"
    unexplained = "" if report["unexplained_usd"] == "0" else f", ${report['unexplained_usd']} of it unexplained"
    return f"drift ${report['drift_usd']}{unexplained}: {word} {report['threshold']}"


def signed(amount: str) -> str:
    """An amount with its sign."""
    return f"-${amount[1:]}" if amount.startswith("-") else f"+${amount}" if amount != "0" else "$0"


def _waterfall(report: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title="why", title_justify="left")
    for heading, justify in (("part", "left"), ("USD", "right"), ("how sure", "left"), ("cells", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left", no_wrap=True)
    table.add_column("meaning", overflow="fold")
    for part in report["parts"]:
        meaning = MEANINGS[part["category"]]
        table.add_row(
            TITLES[part["category"]], signed(part["amount_usd"]), part["confidence"], str(part["cells"]), meaning
        )
    table.add_row("difference", signed(report["difference_usd"]), "", "", "", style="bold")
    return table


def _cells(cells: Sequence[dict[str, Any]], *, total: int) -> Table:
    table = Table(
        box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left",
        title=f"the {len(cells)} largest differences of {total} cells",
    )  # fmt: skip
    table.add_column("day", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("units", justify="right")
    table.add_column("difference", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for cell in cells:
        words = (cell["model"] or cell["category"], cell["meter"], *cell["context"].values(), cell["key_id"])
        units = "" if cell["vendor_quantity"] is None else f"{cell['vendor_quantity']} / {cell['our_quantity']}"
        why = "; ".join(f"{TITLES[part['category']]}: {part['reason']}" for part in cell["parts"])
        name = " ".join(word for word in words if word) or ", ".join(cell["skus"][:2])
        # A vendor's words are no markup.
        table.add_row(cell["day"] or "month", Text(name), units, signed(cell["difference_usd"]), Text(why))
    return table


def _state(run: dict[str, Any]) -> str:
    if run["state"] != "done":
        return str(run["state"])
    if run["accepted"] is not None:
        return "accepted"
    return "within" if run["report"]["is_within"] else "drift"
