"""Prompts: how to go about a question that people ask often. They name tools; they know no numbers themselves."""

from typing import Annotated

from pydantic import Field

_TONE = (
    "Quote amounts as the tools tell them, to the last digit they give; never estimate what a tool can tell. "
    "Say which numbers are lower bounds (requests without a price) and which are estimates. "
    "Change nothing unless I ask; then preview it, show me the diff, and wait for my word."
)


def cost_review(
    month: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$", description="The month, `2026-10`.")],
    project: Annotated[str, Field(max_length=256, description="Only this project; empty: all.")] = "",
) -> str:
    """Review what a month cost: by whom, on what, against the month before, against budgets and vendors' bills."""
    whose = f"of project {project!r}" if project else "of all projects you can see"
    return (
        f"Review the costs {whose} in {month}.\n"
        f"1. `get_costs` from the first of {month} to the first of the next month, by provider, by model, by project "
        "and by day. Do the same by provider for the month before, and say what changed and why.\n"
        "2. Name the five dearest sessions (`get_costs` by session) and what made the dearest one dear (`get_session`, "
        "order by amount).\n"
        "3. `get_budgets`: which are close, what the month will come to, which hours were odd.\n"
        f"4. `list_reconciliations` of {month}: which vendors' bills agree with our books, which differ, by how much.\n"
        "5. `get_health`: requests without a price, spans in the quarantine.\n"
        "Close with a table of at most ten lines, and at most three things to do, each with what it would save.\n"
        + _TONE
    )


def why_was_this_call_dear(
    session_id: Annotated[str, Field(min_length=1, max_length=256, description="The LiveKit job's id, `AJ_…`.")],
) -> str:
    """Find out why one call cost what it cost."""
    return (
        f"Why did the call {session_id!r} cost what it cost?\n"
        f"1. `get_session` of {session_id!r}, order by amount: which parts, which requests, how long, how much usage.\n"
        "2. Compare with other calls of its project: `get_costs` by session over the same day.\n"
        "3. Was it length, a dear model, a fallback to another vendor, retries, long prompts, a leg of telephony or "
        "recording? Use `explain_resolve` for its models to see whether a cheaper one would have served.\n"
        "Answer in one paragraph, then the three dearest items with their share of the total.\n" + _TONE
    )


def incident(
    symptom: Annotated[str, Field(max_length=1_000, description="What was seen: `agents are slow since 10:00`.")],
) -> str:
    """Look into something that goes wrong right now."""
    return (
        f"Something is wrong: {symptom!r}.\n"
        "1. `get_health`, then `get_providers`: breakers, slow models, what is switched off.\n"
        "2. `get_limits`: pools that are empty, waiters, refusals, vendors' 429s. `get_budgets`: exhausted ones.\n"
        "3. `get_latency` and `get_spend` by minute: since when. `get_live_calls`: who is affected now.\n"
        "4. `explain_resolve` of the project's defaults: who serves now, and who would if a vendor were switched off.\n"
        "Say what is known, what is likely, and what is not known. Propose the smallest step that helps callers, "
        "with its preview; do not confirm it yourself.\n" + _TONE
    )
