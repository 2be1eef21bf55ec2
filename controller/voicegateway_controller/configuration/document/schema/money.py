"""The schemas of limits, budgets, allowances and markups."""

from collections.abc import Collection

from voicegateway_controller.allowances.declaration import ALLOWANCES_MAX, PATTERNS_MAX
from voicegateway_controller.configuration.document.schema.parts import (
    DAY,
    MONTH,
    NAME,
    QUANTITY,
    TEXT_CHARS_MAX,
    Schema,
    at_least_one,
    count,
    dollars,
    listed,
    mapping,
    one_of,
    or_null,
    text,
    whole,
)
from voicegateway_shared.budgets.budget import ACTIONS, OFFLINE_POLICIES, THRESHOLDS_DEFAULT
from voicegateway_shared.budgets.declaration import (
    BUDGETS_MAX,
    SENTENCE_CHARACTERS_MAX,
    THRESHOLD_PERCENT_MAX,
    THRESHOLDS_MAX,
)
from voicegateway_shared.budgets.guards import (
    DURATION_S_MAX,
    DURATION_S_MIN,
    LOOP_REPEATS_MAX,
    LOOP_REPEATS_MIN,
    LOOP_WITHIN_S_MAX,
)
from voicegateway_shared.budgets.window import WINDOW_KINDS
from voicegateway_shared.limits.declaration import (
    CONCURRENT,
    LIMITS_MAX,
    PROJECTS_MAX,
    RATE_KEYS,
    SLOTS_MAX,
    UNITS_MAX,
    WEIGHT_MAX,
)
from voicegateway_shared.limits.declared import MODALITIES
from voicegateway_shared.limits.selector import FIELDS
from voicegateway_shared.usage import METERS

MARKUPS_MAX = 500
"""As `exports.markups.definitions` has it; see TEXT_CHARS_MAX."""
_PERCENT = r"^-?[0-9]{1,5}(\.[0-9]{1,6})?$"
_DECIMAL = r"^[0-9]{1,12}(\.[0-9]{1,12})?$"
_SHARE = r"^\s*([1-9][0-9]?|100)\s*%\s*$"
_WHOM = {
    "account": "A vendor key's fingerprint, as `key_id` in the ledger.",
    "model": "The vendor's model; `*` stands for anything.",
    "project": "Who pays.",
    "agent": "The LiveKit agent's name; `*` stands for anything.",
}


def sections(providers: Collection[str]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the sections and their definitions, by name."""
    of_section = {
        "limits": listed("What vendors allow, kept by the whole fleet together.", "limit", most=LIMITS_MAX),
        "budgets": listed("How much money may be spent by whom, and what happens then.", "budget", most=BUDGETS_MAX),
        "allowances": listed("What vendors give each month, or sold ahead.", "allowance", most=ALLOWANCES_MAX),
        "markups": listed("What customers are charged on top of what it cost.", "markup", most=MARKUPS_MAX),
    }
    definitions = {
        "limit": _limit(providers),
        "budget": _budget(providers),
        "allowance": _allowance(providers),
        "markup": _markup(providers),
    }
    return of_section, definitions


def provider(providers: Collection[str]) -> Schema:
    """A provider that is known here."""
    return one_of("The vendor.", sorted(providers))


def _limit(providers: Collection[str]) -> Schema:
    whom = {name: text(description, least=1) for name, description in _WHOM.items()}
    whom |= {"provider": provider(providers), "modality": one_of("What kind of model.", MODALITIES)}
    rates = {
        key: count(f"{key.replace('_', ' ')}, of the whole fleet.", most=UNITS_MAX // factor)
        for key, (_, factor, _) in RATE_KEYS.items()
    }
    by_rate = {"type": "object", "properties": rates, "additionalProperties": False}
    burst = {
        "description": "How much of a rate may be spent at once after a rest; of several rates, a mapping by rate.",
        "anyOf": [*count("", most=UNITS_MAX)["anyOf"], by_rate],
    }
    projects = {
        "type": "object",
        "maxProperties": PROJECTS_MAX,
        "propertyNames": {"minLength": 1, "maxLength": TEXT_CHARS_MAX},
    }
    properties = {
        **{name: or_null(whom[name]) for name in FIELDS},
        "name": or_null(text("Its name; left out, made of whom it is about.", pattern=NAME)),
        **{key: or_null(rate) for key, rate in rates.items()},
        CONCURRENT: or_null(count("Requests, or streams, open at the same time.", most=SLOTS_MAX)),
        "burst": or_null(burst),
        "weights": or_null(
            projects
            | {
                "description": "Projects' weights where the limit is short; 1 without.",
                "additionalProperties": count("The project's weight.", most=WEIGHT_MAX),
            }
        ),
        "min_shares": or_null(
            projects
            | {
                "description": "What projects are sure of, in percent.",
                "additionalProperties": {"type": "string", "pattern": _SHARE, "examples": ["20%"]},
            }
        ),
        "offline": or_null(
            one_of(
                "What holds while no controller answers.", ("fair_share", "open", "closed"), default="fair_share"
            )
        ),
    }  # fmt: skip
    return mapping(
        "One limit: whom it is about, and at least one rate or `concurrent`.",
        properties,
        examples=[{"provider": "openai", "model": "gpt-4.1-mini", "requests_per_min": 500, "tokens_per_min": "200k"}],
        allOf=[at_least_one(FIELDS), at_least_one((*RATE_KEYS, CONCURRENT))],
    )


def _budget(providers: Collection[str]) -> Schema:
    guards = mapping(
        "What one session may do at most.",
        {
            "max_cost": dollars("What it may cost."),
            "max_cost_per_min": dollars("What a minute of it may cost."),
            "max_duration_s": whole("How long it may last, in seconds.", least=DURATION_S_MIN, most=DURATION_S_MAX),
            "loop": mapping(
                "The same turn or tool call this often within this time is a loop.",
                {
                    "repeats": whole("How often.", least=LOOP_REPEATS_MIN, most=LOOP_REPEATS_MAX),
                    "within_s": whole("Within how many seconds.", least=1, most=LOOP_WITHIN_S_MAX),
                },
                required=("repeats", "within_s"),
            ),
        },
        minProperties=1,
    )
    percent = {"type": "integer", "minimum": 1, "maximum": THRESHOLD_PERCENT_MAX}
    properties = {
        "name": or_null(text("Its name; left out, made of whom it is about and the window.", pattern=NAME)),
        "project": text("Only of this project.", least=1),
        "agent": text("Only of this agent; `*` stands for anything.", least=1),
        "provider": provider(providers),
        "modality": one_of("Only of this kind of model.", MODALITIES),
        "amount": dollars("What may be spent in each window."),
        "window": one_of("How long a window is; `session` gives each session a budget of its own.", WINDOW_KINDS),
        "zone": or_null(text("Whose calendar begins and ends the windows, such as Europe/Berlin.", default="UTC")),
        "thresholds": or_null(
            {
                "type": "array", "items": percent, "maxItems": THRESHOLDS_MAX, "uniqueItems": True,
                "description": "Percents of the amount that are told as alerts, rising.",
                "default": list(THRESHOLDS_DEFAULT),
            }
        ),
        "action": one_of("What happens at the amount.", ACTIONS, default="block"),
        "offline": one_of("What holds while no controller answers.", OFFLINE_POLICIES, default="last_lease"),
        "sentence": or_null(text("What a caller hears.", least=1, most=SENTENCE_CHARACTERS_MAX)),
        "guards": or_null(guards),
    }  # fmt: skip
    example = {"project": "acme", "amount": "25.00", "window": "day", "action": "end_session"}
    return mapping("One budget.", properties, required=("amount", "window"), examples=[example])


def _allowance(providers: Collection[str]) -> Schema:
    pattern = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
    models = {
        "description": "About which models; `*` stands for anything.",
        "anyOf": [pattern, {"type": "array", "items": pattern, "minItems": 1, "maxItems": PATTERNS_MAX}],
    }
    properties = {
        "name": text("Its name, which stands in the books.", pattern=NAME),
        "provider": provider(providers),
        "models": models,
        "meters": {"type": "array", "description": "By what it is counted.", "items": {"enum": list(METERS)}},
        "project": text("Whose usage it is about; left out, everybody's."),
        "quantity": text("What is given each month.", pattern=QUANTITY, examples=["5_000 minutes"]),
        "usd": dollars("What is given each month, as an amount."),
        "fee": dollars("What it costs each month."),
        "from": text("The first month.", pattern=MONTH, examples=["2026-11"]),
        "until": text("The last month.", pattern=MONTH),
        "prepaid": dollars("What was bought ahead."),
        "price": dollars("What was paid for it; left out, as much as it buys."),
        "bought_on": text("The day of it.", pattern=DAY, examples=["2026-11-05"]),
        "expires_on": text("The first day on which it is worth nothing.", pattern=DAY),
    }
    monthly = {"required": ["from"], "properties": dict.fromkeys(("price", "bought_on", "expires_on"), False)}
    once = {"required": ["bought_on"], "properties": dict.fromkeys(("fee", "from", "until", "quantity", "usd"), False)}
    return mapping(
        "What a vendor gives each month (`quantity`, `usd`, or a `fee` alone), or sold ahead (`prepaid`).",
        properties,
        required=("name", "provider"),
        examples=[
            {"name": "livekit-ship", "provider": "livekit", "meters": ["participant_ms"], "quantity": "5_000 minutes",
             "from": "2026-11"},
        ],
        allOf=[
            {"anyOf": [{"required": [key]} for key in ("quantity", "usd", "prepaid", "fee")]},
            {"not": {"required": ["quantity", "usd"]}},
            {"if": {"required": ["prepaid"]}, "then": once, "else": monthly},
            {"if": {"required": ["quantity"]}, "then": {"required": ["meters"]}},
        ],
    )  # fmt: skip


def _markup(providers: Collection[str]) -> Schema:
    blank = {"enum": [""]}
    properties = {
        "name": text("What it is called on statements."),
        "project": text("Who pays it; left out, everybody."),
        "provider": {"description": "Only of this vendor.", "enum": [*sorted(providers), ""]},
        "model": text("Only of this model; needs its provider beside it."),
        "modality": {"description": "Only of this kind of model.", "enum": [*MODALITIES, ""]},
        "meter": {"description": "Only of what is counted so.", "enum": [*METERS, ""]},
        "percent": text('On top of the cost, such as "20".', pattern=_PERCENT),
        "price": text('Whatever it cost, such as "0.02"; needs `per` and `meter`.', pattern=_DECIMAL),
        "per": text("What the price is for.", pattern=QUANTITY, examples=["1 minute"]),
        "minimum": dollars("The least that a request costs."),
        "from": {"description": "The first day.", "anyOf": [{"type": "string", "pattern": DAY}, blank]},
        "until": {"description": "The day after the last.", "anyOf": [{"type": "string", "pattern": DAY}, blank]},
    }
    return mapping(
        "What customers pay on top of what something cost, or instead of it.",
        properties,
        examples=[{"project": "acme", "percent": "20"}],
        oneOf=[
            {"required": ["percent"], "not": {"anyOf": [{"required": ["price"]}, {"required": ["per"]}]}},
            {"required": ["price", "per", "meter"], "not": {"required": ["percent"]}},
        ],
    )
