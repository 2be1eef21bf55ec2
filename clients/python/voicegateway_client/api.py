"""The API's routes.

Made by `make clients` from clients/openapi.json (sha256 86dd2a43969fbf71a5a602a08f48a77056f172388bf4b6432ea17b6d180cdd8e); change the routes, not this.
"""
# ruff: noqa: A002, E501

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

from voicegateway_client import models as m
from voicegateway_client.transport import Transport, path_of


class AccessRoutes:
    """The routes of access; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_token(self, body: m.NewToken, *, idempotency_key: str | None = None) -> m.MadeToken:
        """Make a token

        Answer the new token's text, which is stored nowhere and shown never again."""
        return cast(
            "m.MadeToken",
            self._transport.ask(
                "POST", path_of("/api/v1/tokens"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def end_sign_in(self, sign_in_id: str) -> m.SignedOut:
        """End a sign-in

        Refuse its cookie from now on, at every replica within a second. Admins of all projects end anybody's."""
        return cast(
            "m.SignedOut",
            self._transport.ask("DELETE", path_of("/api/v1/sign-ins/{sign_in_id}", sign_in_id=sign_in_id)),
        )

    def get_token(self, token_id: str) -> m.Token:
        """One token

        What is known of a token, by the id between its underscores."""
        return cast("m.Token", self._transport.ask("GET", path_of("/api/v1/tokens/{token_id}", token_id=token_id)))

    def revoke_token(self, token_id: str, *, reason: str | None = None, force: bool | None = None) -> m.Token:
        """Revoke a token

        Refuse it from now on, with all sign-ins begun with it; every replica does within a second. For good."""
        return cast(
            "m.Token",
            self._transport.ask(
                "DELETE",
                path_of("/api/v1/tokens/{token_id}", token_id=token_id),
                query={"reason": reason, "force": force},
            ),
        )

    def sign_in(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.Visitor:
        """Sign in with a token

        Take a token, give a cookie that scripts cannot read. A sign-in that this browser had before is ended."""
        return cast(
            "m.Visitor",
            self._transport.ask(
                "POST", path_of("/api/v1/sign-in"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def sign_in_elsewhere(self, *, to: str | None = None) -> bytes:
        """Sign in at the provider

        Send the browser to the provider. Programs that say `Accept: application/json` are answered problems."""
        return self._transport.fetch("GET", path_of("/api/v1/sign-in/oidc"), query={"to": to})

    def sign_in_finish(
        self, *, code: str | None = None, state: str | None = None, error: str | None = None, iss: str | None = None
    ) -> bytes:
        """Back from the provider

        Hold the provider's answer against what this browser began with, and sign the person in."""
        return self._transport.fetch(
            "GET",
            path_of("/api/v1/sign-in/oidc/callback"),
            query={"code": code, "state": state, "error": error, "iss": iss},
        )

    def sign_in_options(self) -> m.SignInOptions:
        """How to sign in, and who is signed in

        Answer without a token: what the sign-in page asks first. A cookie that is no good signs nobody in."""
        return cast("m.SignInOptions", self._transport.ask("GET", path_of("/api/v1/sign-in/options")))

    def sign_ins(self, *, cursor: str | None = None, limit: int | None = None, actor: str | None = None) -> m.SignIns:
        """Who is signed in, the newest first

        Sign-ins in force: one's own; everybody's for admins of all projects."""
        return cast(
            "m.SignIns",
            self._transport.ask(
                "GET", path_of("/api/v1/sign-ins"), query={"cursor": cursor, "limit": limit, "actor": actor}
            ),
        )

    def sign_out(self, *, idempotency_key: str | None = None) -> m.SignedOut:
        """Sign out

        End the cookie's sign-in and take the cookie away; harmless where nobody is signed in."""
        return cast(
            "m.SignedOut",
            self._transport.ask("POST", path_of("/api/v1/sign-out"), header={"Idempotency-Key": idempotency_key}),
        )

    def tokens(
        self,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        role: m.Role | None = None,
        project: str | None = None,
        state: Literal["active", "expired", "revoked"] | None = None,
    ) -> m.Tokens:
        """The tokens, the newest first

        All tokens there ever were, revoked ones too; their secrets are not stored."""
        return cast(
            "m.Tokens",
            self._transport.ask(
                "GET",
                path_of("/api/v1/tokens"),
                query={"cursor": cursor, "limit": limit, "role": role, "project": project, "state": state},
            ),
        )

    def whoami(self) -> m.Visitor:
        """Who is calling

        Role and projects of the token or the sign-in that the request came with; any role may ask."""
        return cast("m.Visitor", self._transport.ask("GET", path_of("/api/v1/whoami")))


class AlertsRoutes:
    """The routes of alerts; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        project: str | None = None,
        kind: Literal[
            "budget_threshold",
            "budget_exhausted",
            "anomaly",
            "breaker_open",
            "breaker_closed",
            "ledger_lag",
            "unrated_usage",
            "outbox_loss",
            "session_ended",
            "delivery_dead",
            "reconciliation_drift",
            "books_broken",
            "test",
        ]
        | None = None,
        severity: Literal["info", "warning", "critical"] | None = None,
        state: Literal["pending", "delivered", "dead"] | None = None,
    ) -> m.AlertsPage:
        """The alerts, the newest first

        What was told and whether it arrived. Alerts of no project are shown to tokens that reach all projects."""
        return cast(
            "m.AlertsPage",
            self._transport.ask(
                "GET",
                path_of("/api/v1/alerts"),
                query={
                    "limit": limit,
                    "cursor": cursor,
                    "project": project,
                    "kind": kind,
                    "severity": severity,
                    "state": state,
                },
            ),
        )

    def redeliver(
        self, alert_id: str, *, channel: str | None = None, idempotency_key: str | None = None
    ) -> m.Redelivered:
        """Deliver an alert again

        Let what was given up, or delivered, begin anew at once; what is under way is left alone."""
        return cast(
            "m.Redelivered",
            self._transport.ask(
                "POST",
                path_of("/api/v1/alerts/{alert_id}/redeliver", alert_id=alert_id),
                query={"channel": channel},
                header={"Idempotency-Key": idempotency_key},
            ),
        )

    def test(self, *, idempotency_key: str | None = None) -> m.Tested:
        """Raise an alert to try the channels

        Raise an alert of kind `test`, which goes to every channel; its deliveries say what came of it."""
        return cast(
            "m.Tested",
            self._transport.ask("POST", path_of("/api/v1/alerts/test"), header={"Idempotency-Key": idempotency_key}),
        )


class AllowancesRoutes:
    """The routes of allowances; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def declare(self, body: dict[str, Any], *, if_match: str | None = None) -> m.AllowancesApplied:
        """Declare the allowances

        Replace the whole set; refused with the reason when anything in it is wrong. What was booked stays booked."""
        return cast(
            "m.AllowancesApplied",
            self._transport.ask("PUT", path_of("/api/v1/allowances"), header={"if-match": if_match}, body=body),
        )

    def get(self) -> m.AllowancesDeclared:
        """The declared allowances

        What is managed, as PUT takes it, and what holds of all layers.

        A token of some projects sees theirs and those of no project."""
        return cast("m.AllowancesDeclared", self._transport.ask("GET", path_of("/api/v1/allowances")))

    def post(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.PostedMonth:
        """Book the credits of a month now

        Book the difference between what is due and what is booked. The runner does it each hour for this month and the
        last; this is for others, and for those who cannot wait."""
        return cast(
            "m.PostedMonth",
            self._transport.ask(
                "POST", path_of("/api/v1/allowances/post"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def status(self, *, month: str | None = None) -> m.Standings:
        """How much of the allowances is left

        Used, left, what that is worth, and where the month will end. A token of some projects sees theirs only."""
        return cast(
            "m.Standings", self._transport.ask("GET", path_of("/api/v1/allowances/status"), query={"month": month})
        )


class AuditRoutes:
    """The routes of audit; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def export(
        self,
        *,
        format: Literal["jsonl", "csv"] | None = None,
        actor: str | None = None,
        action: str | None = None,
        resource: str | None = None,
        project: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> bytes:
        """The audit log as a file

        Without filters, a JSONL export can be verified by itself: `voicegw audit verify --file`."""
        return self._transport.fetch(
            "GET",
            path_of("/api/v1/audit/export"),
            query={
                "format": format,
                "actor": actor,
                "action": action,
                "resource": resource,
                "project": project,
                "since": since,
                "until": until,
            },
        )

    def get(
        self,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        actor: str | None = None,
        action: str | None = None,
        resource: str | None = None,
        project: str | None = None,
        since: str | None = None,
        until: str | None = None,
        number: int | None = None,
        after: int | None = None,
    ) -> m.AuditRecords:
        """The audit log, the newest first

        Who changed what, when, and what it was before. `after` asks the other way round, and has no cursor."""
        return cast(
            "m.AuditRecords",
            self._transport.ask(
                "GET",
                path_of("/api/v1/audit"),
                query={
                    "cursor": cursor,
                    "limit": limit,
                    "actor": actor,
                    "action": action,
                    "resource": resource,
                    "project": project,
                    "since": since,
                    "until": until,
                    "number": number,
                    "after": after,
                },
            ),
        )

    def verify(self, *, number: int | None = None, head: str | None = None) -> m.Verification:
        """Is the audit log what was written

        Check each seal, from the first record on; with a seal kept elsewhere also that none was written anew."""
        return cast(
            "m.Verification",
            self._transport.ask("GET", path_of("/api/v1/audit/verify"), query={"number": number, "head": head}),
        )


class BudgetsRoutes:
    """The routes of budgets; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def budget(self, budget_id: str) -> m.ItemsItem:
        """One budget

        What holds of it and by which layer, and what is managed of it."""
        return cast(
            "m.ItemsItem", self._transport.ask("GET", path_of("/api/v1/budgets/{budget_id}", budget_id=budget_id))
        )

    def declare(self, body: dict[str, Any], *, if_match: str | None = None) -> m.BudgetsApplied:
        """Declare the budgets

        Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
        return cast(
            "m.BudgetsApplied",
            self._transport.ask("PUT", path_of("/api/v1/budgets"), header={"if-match": if_match}, body=body),
        )

    def delete_budget(self, budget_id: str, *, if_match: str | None = None) -> m.ItemChanged:
        """Take one budget away

        Take it out of what is managed; 409 where a file or the environment declares it."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "DELETE", path_of("/api/v1/budgets/{budget_id}", budget_id=budget_id), header={"if-match": if_match}
            ),
        )

    def get(self) -> m.BudgetsDeclared:
        """The declared budgets

        What is managed, as PUT takes it, and what holds of all layers.

        A token of some projects sees their budgets and those of no project."""
        return cast("m.BudgetsDeclared", self._transport.ask("GET", path_of("/api/v1/budgets")))

    def put_budget(self, budget_id: str, body: dict[str, Any], *, if_match: str | None = None) -> m.ItemChanged:
        """Declare one budget

        Put one budget into what is managed, in place of the one of this id; all others stay."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "PUT",
                path_of("/api/v1/budgets/{budget_id}", budget_id=budget_id),
                header={"if-match": if_match},
                body=body,
            ),
        )

    def status(self) -> m.BudgetsStatus:
        """How much of the budgets is spent

        Each budget's open window, what it and each project will come to, and hours that are odd."""
        return cast("m.BudgetsStatus", self._transport.ask("GET", path_of("/api/v1/budgets/status")))


class ChainsRoutes:
    """The routes of chains; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def chain(self, name: str, *, modality: str | None = None, project: str | None = None) -> m.ItemsItem:
        """One chain

        What holds of it and by which layer; 400 when chains of several modalities have the name and none is said."""
        return cast(
            "m.ItemsItem",
            self._transport.ask(
                "GET", path_of("/api/v1/chains/{name}", name=name), query={"modality": modality, "project": project}
            ),
        )

    def delete_chain(
        self, name: str, *, modality: str | None = None, project: str | None = None, if_match: str | None = None
    ) -> m.ItemChanged:
        """Take one chain away

        Take it out of what is managed; 400 while a stack or a default names it."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "DELETE",
                path_of("/api/v1/chains/{name}", name=name),
                query={"modality": modality, "project": project},
                header={"if-match": if_match},
            ),
        )

    def get(self) -> m.Items:
        """The chains that hold

        Everybody's and those of projects that the token reaches."""
        return cast("m.Items", self._transport.ask("GET", path_of("/api/v1/chains")))

    def put_chain(
        self,
        name: str,
        body: list[Any] | dict[str, Any],
        *,
        modality: str | None = None,
        project: str | None = None,
        if_match: str | None = None,
    ) -> m.ItemChanged:
        """Declare one chain

        Put one chain into what is managed: a list of models, or a mapping with `models` and how they are ordered."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "PUT",
                path_of("/api/v1/chains/{name}", name=name),
                query={"modality": modality, "project": project},
                header={"if-match": if_match},
                body=body,
            ),
        )


class ConfigurationRoutes:
    """The routes of configuration; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def apply(
        self, body: dict[str, Any], *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> m.ConfigurationApplied:
        """Declare several kinds at once

        Replace what is managed of the sections named, all or nothing; the same again changes nothing."""
        return cast(
            "m.ConfigurationApplied",
            self._transport.ask(
                "POST",
                path_of("/api/v1/config/apply"),
                header={"if-match": if_match, "Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def diff(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.Differences:
        """What would change

        What would become of a layer, and of what holds, if it said this; changes nothing."""
        return cast(
            "m.Differences",
            self._transport.ask(
                "POST", path_of("/api/v1/config/diff"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def effective(self) -> m.EffectiveConfiguration:
        """What holds, and where it is declared

        All sections as they hold, each resource with its layer. A token of some projects sees what concerns them."""
        return cast("m.EffectiveConfiguration", self._transport.ask("GET", path_of("/api/v1/config")))

    def roll_back(
        self, number: int, body: dict[str, Any], *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> m.ConfigurationApplied:
        """Back to a version

        Let what is managed be what it was then, as a new version. What files and variables declare stays theirs."""
        return cast(
            "m.ConfigurationApplied",
            self._transport.ask(
                "POST",
                path_of("/api/v1/config/versions/{number}/rollback", number=number),
                header={"if-match": if_match, "Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def schema(self) -> bytes:
        """The JSON Schema of voicegw.yaml

        Return the schema that editors check voicegw.yaml by. Needs no token."""
        return self._transport.fetch("GET", path_of("/api/v1/config/schema"))

    def status(self) -> m.ConfigurationStatus:
        """How layers, files and replicas stand

        Which layer says something of which kind, and what each replica reads; problems with files."""
        return cast("m.ConfigurationStatus", self._transport.ask("GET", path_of("/api/v1/config/status")))

    def validate(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.Validated:
        """Could this be applied

        Hold a document against what the other layers say; changes nothing."""
        return cast(
            "m.Validated",
            self._transport.ask(
                "POST", path_of("/api/v1/config/validate"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def version(self, number: int) -> m.ConfigurationVersionReport:
        """One version

        What it changed, and what was managed from then on."""
        return cast(
            "m.ConfigurationVersionReport",
            self._transport.ask("GET", path_of("/api/v1/config/versions/{number}", number=number)),
        )

    def versions(self, *, limit: int | None = None, cursor: str | None = None) -> m.ConfigurationVersions:
        """Who changed the configuration, when

        Every change of a layer, the newest first."""
        return cast(
            "m.ConfigurationVersions",
            self._transport.ask("GET", path_of("/api/v1/config/versions"), query={"limit": limit, "cursor": cursor}),
        )


class EventsRoutes:
    """The routes of events; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def recent(
        self,
        *,
        kind: Sequence[str] | None = None,
        project: str | None = None,
        session: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        outcome: str | None = None,
        limit: int | None = None,
    ) -> m.EventsRecent:
        """The last events

        Events that are kept, at most 20,000 and only while Redis lives: for looking, not for counting."""
        return cast(
            "m.EventsRecent",
            self._transport.ask(
                "GET",
                path_of("/api/v1/events/recent"),
                query={
                    "kind": kind,
                    "project": project,
                    "session": session,
                    "provider": provider,
                    "model": model,
                    "outcome": outcome,
                    "limit": limit,
                },
            ),
        )

    def stream(
        self,
        *,
        kind: Sequence[str] | None = None,
        project: str | None = None,
        session: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        outcome: str | None = None,
        replay: int | None = None,
        after: str | None = None,
        last_event_id: str | None = None,
    ) -> Iterator[m.EventRow]:
        """Live events (SSE)

        Server-Sent Events: `id`, `event` (the kind) and `data` (JSON with `id`, `kind`, `at`, `project`, `data`).

        A comment every ten seconds while nothing happens. Behind a lost connection it goes on where it was, by any replica;
        `event: gap` says that events in between are kept no longer. `event: end` says why the answer ends."""
        return self._transport.listen(
            path_of("/api/v1/events"),
            query={
                "kind": kind,
                "project": project,
                "session": session,
                "provider": provider,
                "model": model,
                "outcome": outcome,
                "replay": replay,
                "after": after,
            },
            header={"last-event-id": last_event_id},
        )


class ExportsRoutes:
    """The routes of exports; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def declare(self, body: dict[str, Any], *, if_match: str | None = None) -> m.MarkupsApplied:
        """Declare the markups

        Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
        return cast(
            "m.MarkupsApplied",
            self._transport.ask("PUT", path_of("/api/v1/markups"), header={"if-match": if_match}, body=body),
        )

    def events(
        self,
        *,
        format: Literal["openmeter", "stripe"],
        cursor: str | None = None,
        since: str | None = None,
        until: str | None = None,
        project: str | None = None,
        value: Literal["quantity", "cost", "price"] | None = None,
    ) -> m.EventsPage:
        """The next usage events

        Every entry as one event, in the books' order: behind a cursor nothing comes twice, and nothing is missed."""
        return cast(
            "m.EventsPage",
            self._transport.ask(
                "GET",
                path_of("/api/v1/exports/events"),
                query={
                    "format": format,
                    "cursor": cursor,
                    "since": since,
                    "until": until,
                    "project": project,
                    "value": value,
                },
            ),
        )

    def focus(
        self,
        *,
        month: str,
        project: str | None = None,
        grain: Literal["entry", "hour", "day"] | None = None,
        format: Literal["csv", "csv.gz", "parquet"] | None = None,
    ) -> bytes:
        """A month as a FOCUS 1.2 file

        The month's books, corrections of closed months that it took included. Streamed: any month fits."""
        return self._transport.fetch(
            "GET",
            path_of("/api/v1/exports/focus"),
            query={"month": month, "project": project, "grain": grain, "format": format},
        )

    def margins(self, *, month: str, project: str | None = None, thin_percent: int | None = None) -> m.MarginsReport:
        """Cost, price and margin of a month

        By project and model, under the markups that held on each day."""
        return cast(
            "m.MarginsReport",
            self._transport.ask(
                "GET",
                path_of("/api/v1/margins"),
                query={"month": month, "project": project, "thin_percent": thin_percent},
            ),
        )

    def markups(self) -> m.MarkupsDeclared:
        """The declared markups

        What is managed, as PUT takes it, and what holds of all layers.

        A token of some projects sees their markups and those of no project."""
        return cast("m.MarkupsDeclared", self._transport.ask("GET", path_of("/api/v1/markups")))

    def statement(
        self,
        *,
        project: str,
        month: str,
        format: Literal["html", "csv", "json"] | None = None,
        with_price: bool | None = None,
    ) -> m.StatementReport:
        """What a project owes for a month

        By agent, model and meter, beside the month before; corrections and credits as such. CSV and JSON are exact."""
        return cast(
            "m.StatementReport",
            self._transport.ask(
                "GET",
                path_of("/api/v1/exports/statement"),
                query={"project": project, "month": month, "format": format, "with_price": with_price},
            ),
        )


class KeysRoutes:
    """The routes of keys; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def add(self, body: m.NewKey, *, idempotency_key: str | None = None) -> m.Key:
        """Seal a key

        Seal a vendor's key under a name. Workers that need one of the vendor's have it with their next message."""
        return cast(
            "m.Key",
            self._transport.ask(
                "POST", path_of("/api/v1/keys"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def change(self, key_id: str, body: m.KeyChanges, *, if_match: str | None = None) -> m.Key:
        """Change who may use a key

        Change its projects, note or expiry, or lend it to nobody for a while; the key itself stays."""
        return cast(
            "m.Key",
            self._transport.ask(
                "PATCH", path_of("/api/v1/keys/{key_id}", key_id=key_id), header={"if-match": if_match}, body=body
            ),
        )

    def get(self, key_id: str) -> m.Key:
        """One key, masked

        As in the list; 404 also for one that only projects out of reach may use."""
        return cast("m.Key", self._transport.ask("GET", path_of("/api/v1/keys/{key_id}", key_id=key_id)))

    def list_keys(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        provider: str | None = None,
        project: str | None = None,
        with_revoked: bool | None = None,
    ) -> m.KeyList:
        """The keys of vendors, masked

        Sealed keys and those that are read from variables and files, by name.

        A token of some projects sees those that they may use."""
        return cast(
            "m.KeyList",
            self._transport.ask(
                "GET",
                path_of("/api/v1/keys"),
                query={
                    "limit": limit,
                    "cursor": cursor,
                    "provider": provider,
                    "project": project,
                    "with_revoked": with_revoked,
                },
            ),
        )

    def revoke(self, key_id: str, *, reason: str | None = None, if_match: str | None = None) -> m.Key:
        """Revoke a key

        Take it back from the whole fleet, which obeys with its next message, and overwrite it: only its name stays.

        The vendor knows nothing of it: revoke it there, too."""
        return cast(
            "m.Key",
            self._transport.ask(
                "DELETE",
                path_of("/api/v1/keys/{key_id}", key_id=key_id),
                query={"reason": reason},
                header={"if-match": if_match},
            ),
        )

    def rotate(
        self, key_id: str, body: m.NewSecret, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> m.Key:
        """Put another key in its place

        Seal a new key of the same vendor under the same name. Workers take it with their next message, calls go on."""
        return cast(
            "m.Key",
            self._transport.ask(
                "POST",
                path_of("/api/v1/keys/{key_id}/rotate", key_id=key_id),
                header={"if-match": if_match, "Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def test(self, key_id: str, *, idempotency_key: str | None = None) -> m.KeyTest:
        """Ask the vendor whether a key is good

        Ask by a request that costs nothing. Answers 200 whatever the vendor says: the verdict is in the answer."""
        return cast(
            "m.KeyTest",
            self._transport.ask(
                "POST",
                path_of("/api/v1/keys/{key_id}/test", key_id=key_id),
                header={"Idempotency-Key": idempotency_key},
            ),
        )


class LedgerRoutes:
    """The routes of ledger; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def balance(self, *, since: str | None = None, until: str | None = None) -> m.TrialBalance:
        """The trial balance

        Costs by project against what is owed to vendors: two sums of the same money from different tables."""
        return cast(
            "m.TrialBalance",
            self._transport.ask("GET", path_of("/api/v1/ledger/balance"), query={"since": since, "until": until}),
        )

    def begin(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.Rerating:
        """Rate a part of the past anew

        Begin a run; a runner works on it within a second or so. A dry run, unless `is_dry_run` is false.

        409 when it is no dry run, about months whose invoice was accepted, and does not say `allow_accepted`."""
        return cast(
            "m.Rerating",
            self._transport.ask(
                "POST", path_of("/api/v1/ledger/reratings"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def close_month(self, body: m.CloseMonth, *, idempotency_key: str | None = None) -> m.Period:
        """Close a month

        Nothing is booked in it any more: what comes later is booked in the first open month, under its own instant."""
        return cast(
            "m.Period",
            self._transport.ask(
                "POST", path_of("/api/v1/ledger/periods"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def corrections(self, *, limit: int | None = None, cursor: str | None = None) -> m.Corrections:
        """Why the books were corrected

        Corrections with who booked them, why, and what they come to; the newest first."""
        return cast(
            "m.Corrections",
            self._transport.ask("GET", path_of("/api/v1/ledger/corrections"), query={"limit": limit, "cursor": cursor}),
        )

    def periods(self) -> m.Periods:
        """Months of the books

        Which months are open and which are closed, and what is booked in them."""
        return cast("m.Periods", self._transport.ask("GET", path_of("/api/v1/ledger/periods")))

    def rerating(self, number: int) -> m.RerateDetail:
        """One re-rating and what it changed

        How far it is, and what it changed (or would change) by day, model and meter."""
        return cast(
            "m.RerateDetail", self._transport.ask("GET", path_of("/api/v1/ledger/reratings/{number}", number=number))
        )

    def reratings(self) -> m.Reratings:
        """Re-ratings

        The newest 200 runs and how far they are."""
        return cast("m.Reratings", self._transport.ask("GET", path_of("/api/v1/ledger/reratings")))

    def stop(self, number: int) -> m.Rerating:
        """Stop a re-rating

        Stop it where it is. What it booked stays; a run by the earlier prices (`as_of`) takes it back."""
        return cast(
            "m.Rerating", self._transport.ask("DELETE", path_of("/api/v1/ledger/reratings/{number}", number=number))
        )


class LimitsRoutes:
    """The routes of limits; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def declare(self, body: dict[str, Any], *, if_match: str | None = None) -> m.LimitsApplied:
        """Declare the limits

        Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
        return cast(
            "m.LimitsApplied",
            self._transport.ask("PUT", path_of("/api/v1/limits"), header={"if-match": if_match}, body=body),
        )

    def delete_limit(self, limit_id: str, *, if_match: str | None = None) -> m.ItemChanged:
        """Take one limit away

        Take it out of what is managed; 409 where a file or the environment declares it."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "DELETE", path_of("/api/v1/limits/{limit_id}", limit_id=limit_id), header={"if-match": if_match}
            ),
        )

    def get(self) -> m.LimitsReport:
        """The limits and how their pools are

        What is declared, and level, leases, waiters and refusals of each pool; what vendors say beside it.

        A token of some projects sees their limits and those of no project."""
        return cast("m.LimitsReport", self._transport.ask("GET", path_of("/api/v1/limits")))

    def limit(self, limit_id: str) -> m.ItemsItem:
        """One limit

        What holds of it and by which layer, and what is managed of it."""
        return cast("m.ItemsItem", self._transport.ask("GET", path_of("/api/v1/limits/{limit_id}", limit_id=limit_id)))

    def put_limit(self, limit_id: str, body: dict[str, Any], *, if_match: str | None = None) -> m.ItemChanged:
        """Declare one limit

        Put one limit into what is managed, in place of the one of this id; all others stay."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "PUT", path_of("/api/v1/limits/{limit_id}", limit_id=limit_id), header={"if-match": if_match}, body=body
            ),
        )

    def simulate(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.Simulation:
        """Would these limits have held

        Replay recorded requests against limits; changes nothing. A token of some projects replays theirs only."""
        return cast(
            "m.Simulation",
            self._transport.ask(
                "POST", path_of("/api/v1/limits/simulate"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )


class ModelsRoutes:
    """The routes of models; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(
        self,
        *,
        provider: str | None = None,
        modality: str | None = None,
        project: str | None = None,
        only: Literal["all", "used", "priced", "unpriced"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.ModelsPage:
        """The models: priced, known, used

        What each costs now, how it fares, which chains have it, and how much it was asked within the last 24 hours."""
        return cast(
            "m.ModelsPage",
            self._transport.ask(
                "GET",
                path_of("/api/v1/models"),
                query={
                    "provider": provider,
                    "modality": modality,
                    "project": project,
                    "only": only,
                    "limit": limit,
                    "cursor": cursor,
                },
            ),
        )


class PricesRoutes:
    """The routes of prices; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        modality: str | None = None,
        meter: str | None = None,
        layer: Literal["builtin", "managed", "account", "project"] | None = None,
        project: str | None = None,
        account: str | None = None,
        at: str | None = None,
        as_of: str | None = None,
        history: bool | None = None,
        is_stale: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.PriceList:
        """The prices that hold

        Every price with its layer, its source, and the day it was last read there.

        Contracts of projects are shown to tokens that reach them."""
        return cast(
            "m.PriceList",
            self._transport.ask(
                "GET",
                path_of("/api/v1/prices"),
                query={
                    "provider": provider,
                    "model": model,
                    "modality": modality,
                    "meter": meter,
                    "layer": layer,
                    "project": project,
                    "account": account,
                    "at": at,
                    "as_of": as_of,
                    "history": history,
                    "is_stale": is_stale,
                    "limit": limit,
                    "cursor": cursor,
                },
            ),
        )

    def import_prices(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.Imported:
        """Import prices

        Take a whole price file, or rows, all or nothing; the same import again changes nothing."""
        return cast(
            "m.Imported",
            self._transport.ask(
                "POST", path_of("/api/v1/prices/import"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def price(self, price_id: str, *, as_of: str | None = None) -> m.PriceDetail:
        """One price

        By its id, as an entry names it; also one that no catalogue holds any more."""
        return cast(
            "m.PriceDetail",
            self._transport.ask("GET", path_of("/api/v1/prices/{price_id}", price_id=price_id), query={"as_of": as_of}),
        )

    def rate(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.Rated:
        """Rate any usage by hand

        What usage costs under the prices of an instant; 422 names the meter and the reason where some of it has none."""
        return cast(
            "m.Rated",
            self._transport.ask(
                "POST", path_of("/api/v1/prices/rate"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def records(
        self,
        *,
        provider: str | None = None,
        price_id: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.CatalogRecords:
        """The history of managed prices

        Every record, the newest first: who recorded what, when and why, and what became of it."""
        return cast(
            "m.CatalogRecords",
            self._transport.ask(
                "GET",
                path_of("/api/v1/prices-records"),
                query={"provider": provider, "price_id": price_id, "limit": limit, "cursor": cursor},
            ),
        )

    def set_credit_price(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.CatalogApplied:
        """Say what a plan's credits cost

        Record dollars per credit, for every price of the plan that is in credits."""
        return cast(
            "m.CatalogApplied",
            self._transport.ask(
                "POST", path_of("/api/v1/prices/credit-prices"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def set_discount(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.CatalogApplied:
        """Agree a discount

        Record a share of the list price; it follows the list."""
        return cast(
            "m.CatalogApplied",
            self._transport.ask(
                "POST", path_of("/api/v1/prices/discounts"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def set_plan(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.CatalogApplied:
        """Say which plan of a vendor holds

        Record the plan of requests that do not say theirs."""
        return cast(
            "m.CatalogApplied",
            self._transport.ask(
                "POST", path_of("/api/v1/prices/plans"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def set_price(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.CatalogApplied:
        """Set a price

        Record a price; the older one of its layer ends where it begins. Whatever it leaves out is as in the list."""
        return cast(
            "m.CatalogApplied",
            self._transport.ask(
                "POST", path_of("/api/v1/prices"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def verify(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> m.CatalogApplied:
        """Say that prices were read again

        Record that prices stand at their source as they stand here; they are fresh again."""
        return cast(
            "m.CatalogApplied",
            self._transport.ask(
                "POST", path_of("/api/v1/prices/verifications"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def withdraw_price(self, price_id: str, *, reason: str, is_dry_run: bool | None = None) -> m.CatalogApplied:
        """Withdraw a price

        Do the same by the price's id; only of what was recorded here."""
        return cast(
            "m.CatalogApplied",
            self._transport.ask(
                "DELETE",
                path_of("/api/v1/prices/{price_id}", price_id=price_id),
                query={"reason": reason, "is_dry_run": is_dry_run},
            ),
        )

    def withdraw_record(self, record_id: int, *, reason: str, is_dry_run: bool | None = None) -> m.CatalogApplied:
        """Withdraw a record

        Add a record that says so; what setting it had closed or replaced holds again in its window."""
        return cast(
            "m.CatalogApplied",
            self._transport.ask(
                "DELETE",
                path_of("/api/v1/prices-records/{record_id}", record_id=record_id),
                query={"reason": reason, "is_dry_run": is_dry_run},
            ),
        )


class ProjectsRoutes:
    """The routes of projects; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def declare(self, body: dict[str, Any], *, if_match: str | None = None) -> m.ProjectsApplied:
        """Declare the projects

        Replace the managed set; refused with the reason when anything in it is wrong. Holds within a second."""
        return cast(
            "m.ProjectsApplied",
            self._transport.ask("PUT", path_of("/api/v1/projects"), header={"if-match": if_match}, body=body),
        )

    def delete_project(self, project: str, *, if_match: str | None = None) -> m.ItemChanged:
        """Take a project's declaration away

        Take it out of what is managed; the books keep what it spent. 409 where a file declares it."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "DELETE", path_of("/api/v1/projects/{project}", project=project), header={"if-match": if_match}
            ),
        )

    def get(
        self, *, limit: int | None = None, cursor: str | None = None, with_archived: bool | None = None
    ) -> m.ProjectList:
        """The projects and what they spend

        Declared projects and those that spent within the last 31 days without being declared, by id.

        A token of some projects sees these."""
        return cast(
            "m.ProjectList",
            self._transport.ask(
                "GET",
                path_of("/api/v1/projects"),
                query={"limit": limit, "cursor": cursor, "with_archived": with_archived},
            ),
        )

    def project(self, project: str) -> m.ProjectRow:
        """One project

        What is declared of it, and what it spends; 404 when nobody has heard of it, or the token does not reach it."""
        return cast("m.ProjectRow", self._transport.ask("GET", path_of("/api/v1/projects/{project}", project=project)))

    def put_project(self, project: str, body: dict[str, Any], *, if_match: str | None = None) -> m.ItemChanged:
        """Declare one project

        Put one project into what is managed, in place of the one of this id; all others stay."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "PUT", path_of("/api/v1/projects/{project}", project=project), header={"if-match": if_match}, body=body
            ),
        )


class ProvidersRoutes:
    """The routes of providers; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def disable(self, provider: str, body: m.Disable, *, idempotency_key: str | None = None) -> m.Disabled:
        """Switch a vendor off, or one of its models

        No worker asks it any more, from its next message on; running requests end as they would have."""
        return cast(
            "m.Disabled",
            self._transport.ask(
                "POST",
                path_of("/api/v1/providers/{provider}/disabled", provider=provider),
                header={"Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def enable(self, provider: str, *, model: str | None = None) -> m.ProvidersHealth:
        """Switch it on again

        Workers ask it again from their next message on; 404 when it is not switched off."""
        return cast(
            "m.ProvidersHealth",
            self._transport.ask(
                "DELETE", path_of("/api/v1/providers/{provider}/disabled", provider=provider), query={"model": model}
            ),
        )

    def health(self) -> m.ProvidersHealth:
        """How vendors fare

        Breakers and times to first byte of every model that workers asked, and what is switched off by hand."""
        return cast("m.ProvidersHealth", self._transport.ask("GET", path_of("/api/v1/providers/health")))


class ReconciliationsRoutes:
    """The routes of reconciliations; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def accept(self, number: int, body: m.Accept, *, idempotency_key: str | None = None) -> m.Booked:
        """Make the books say what the vendor billed

        Book corrections and post the invoice, once; the same again changes nothing and says so."""
        return cast(
            "m.Booked",
            self._transport.ask(
                "POST",
                path_of("/api/v1/reconciliations/{number}/accept", number=number),
                header={"Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def cells(
        self,
        number: int,
        *,
        category: str | None = None,
        all: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> m.Cells:
        """The cells of a reconciliation

        Both sides of each day, key, model and meter with the parts of their difference, the largest first."""
        return cast(
            "m.Cells",
            self._transport.ask(
                "GET",
                path_of("/api/v1/reconciliations/{number}/cells", number=number),
                query={"category": category, "all": all, "limit": limit, "offset": offset},
            ),
        )

    def compare(self, number: int, *, with_: int | None = None) -> m.Comparison:
        """What changed since an earlier run of the month

        Parts and cells that are not what they were: restatements of the vendor, changes of our books."""
        return cast(
            "m.Comparison",
            self._transport.ask(
                "GET", path_of("/api/v1/reconciliations/{number}/compare", number=number), query={"with": with_}
            ),
        )

    def delete(self, name: str) -> m.MappingList:
        """Delete a saved column mapping

        404 when none of this name was saved; those that come along cannot be deleted."""
        return cast(
            "m.MappingList", self._transport.ask("DELETE", path_of("/api/v1/reconcile-mappings/{name}", name=name))
        )

    def delete_alias(self, *, provider: str, name: str) -> dict[str, bool]:
        """Forget a vendor's word

        Forget all its times; `is_gone` says whether there was one."""
        return cast(
            "dict[str, bool]",
            self._transport.ask(
                "DELETE", path_of("/api/v1/reconciliations/names/aliases"), query={"provider": provider, "name": name}
            ),
        )

    def delete_link(self, *, provider: str, credential: str) -> dict[str, bool]:
        """Forget a vendor's credential

        Forget the link; `is_gone` says whether there was one."""
        return cast(
            "dict[str, bool]",
            self._transport.ask(
                "DELETE",
                path_of("/api/v1/reconciliations/names/links"),
                query={"provider": provider, "credential": credential},
            ),
        )

    def document(self, number: int, position: int) -> bytes:
        """One document as it was received

        The bytes, never shown as a page."""
        return self._transport.fetch(
            "GET", path_of("/api/v1/reconciliations/{number}/documents/{position}", number=number, position=position)
        )

    def documents(self, number: int) -> m.Documents:
        """What a vendor's statement was read from

        Names, sizes and hashes."""
        return cast(
            "m.Documents",
            self._transport.ask("GET", path_of("/api/v1/reconciliations/{number}/documents", number=number)),
        )

    def groups(self, number: int, *, by: Literal["day", "model", "key"] | None = None) -> m.Groups:
        """A reconciliation by day, model or key

        Both sides summed."""
        return cast(
            "m.Groups",
            self._transport.ask(
                "GET", path_of("/api/v1/reconciliations/{number}/groups", number=number), query={"by": by}
            ),
        )

    def mapping(self, name: str) -> m.Mapping:
        """One column mapping

        The saved one, else the one that comes along; 404 when there is neither."""
        return cast("m.Mapping", self._transport.ask("GET", path_of("/api/v1/reconcile-mappings/{name}", name=name)))

    def mappings(self) -> m.MappingList:
        """The column mappings of invoices' files

        Those that were saved, and of those that come along the ones that no saved one hides."""
        return cast("m.MappingList", self._transport.ask("GET", path_of("/api/v1/reconcile-mappings")))

    def names(self) -> m.DeclaredNames:
        """What people declared about vendors' names

        Aliases of models and links of keys, of all providers."""
        return cast("m.DeclaredNames", self._transport.ask("GET", path_of("/api/v1/reconciliations/names")))

    def one(self, number: int) -> m.Run:
        """One reconciliation

        Its state, and its totals once it is done."""
        return cast("m.Run", self._transport.ask("GET", path_of("/api/v1/reconciliations/{number}", number=number)))

    def page(
        self,
        *,
        provider: str | None = None,
        month: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> m.Runs:
        """The reconciliations, the newest first

        Runs with their totals and parts by category."""
        return cast(
            "m.Runs",
            self._transport.ask(
                "GET",
                path_of("/api/v1/reconciliations"),
                query={"provider": provider, "month": month, "cursor": cursor, "limit": limit},
            ),
        )

    def put_alias(self, body: m.AliasRow) -> m.AliasRow:
        """Say which model a vendor's word means

        It replaces the alias of the same word and first day; the next reconciliation goes by it."""
        return cast(
            "m.AliasRow", self._transport.ask("PUT", path_of("/api/v1/reconciliations/names/aliases"), body=body)
        )

    def put_link(self, body: m.LinkRow) -> m.LinkRow:
        """Say which of our keys a vendor's credential is

        It replaces the link of the same credential; once a provider has links, other keys are nobody's."""
        return cast("m.LinkRow", self._transport.ask("PUT", path_of("/api/v1/reconciliations/names/links"), body=body))

    def report(self, number: int) -> bytes:
        """A reconciliation as a page

        One self-contained page for people: totals, waterfall, the largest differences, evidence."""
        return self._transport.fetch("GET", path_of("/api/v1/reconciliations/{number}/report.html", number=number))

    def reverse(self, number: int, body: m.Reverse, *, idempotency_key: str | None = None) -> m.Booked:
        """Take an acceptance back

        Book counter-entries: the books are as they were before it was accepted."""
        return cast(
            "m.Booked",
            self._transport.ask(
                "POST",
                path_of("/api/v1/reconciliations/{number}/reverse", number=number),
                header={"Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def save(self, name: str, body: m.MappingDocument) -> m.Mapping:
        """Save a column mapping

        Replaces the one of this name; statements that were imported by it stay as they are."""
        return cast(
            "m.Mapping", self._transport.ask("PUT", path_of("/api/v1/reconcile-mappings/{name}", name=name), body=body)
        )

    def start(self, body: m.Wanted, *, idempotency_key: str | None = None) -> m.Started:
        """Reconcile a month with a vendor's API or a stated total

        Begin in the background; ask for the run by its number until its state is not `running`."""
        return cast(
            "m.Started",
            self._transport.ask(
                "POST", path_of("/api/v1/reconciliations"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def start_file(
        self,
        *,
        provider: str,
        month: str,
        name: str,
        mapping: str | None = None,
        total_usd: str | None = None,
        tax_usd: str | None = None,
        threshold: str | None = None,
        idempotency_key: str | None = None,
    ) -> m.Started:
        """Reconcile a month with an invoice's file

        The body is the file as it is: CSV, XLSX or PDF, at most 20 MiB."""
        return cast(
            "m.Started",
            self._transport.ask(
                "POST",
                path_of("/api/v1/reconciliations/file"),
                query={
                    "provider": provider,
                    "month": month,
                    "name": name,
                    "mapping": mapping,
                    "total_usd": total_usd,
                    "tax_usd": tax_usd,
                    "threshold": threshold,
                },
                header={"Idempotency-Key": idempotency_key},
            ),
        )


class ReportsRoutes:
    """The routes of reports; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def costs(
        self,
        *,
        by: Literal["provider", "model", "project", "session", "agent", "day", "hour", "modality"] | None = None,
        since: str | None = None,
        until: str | None = None,
        project: str | None = None,
    ) -> m.Costs:
        """Spend by key

        What was spent in the full hours of a span of time, by key; today (UTC) when no span is given."""
        return cast(
            "m.Costs",
            self._transport.ask(
                "GET", path_of("/api/v1/costs"), query={"by": by, "since": since, "until": until, "project": project}
            ),
        )

    def latency(self, *, since: str | None = None, project: str | None = None) -> m.Latency:
        """Time to first byte by model

        Median and 95th percentile, from histograms; the last 24 hours unless told."""
        return cast(
            "m.Latency",
            self._transport.ask("GET", path_of("/api/v1/latency"), query={"since": since, "project": project}),
        )

    def ledger_status(self) -> m.LedgerStatus:
        """How far the ledger is

        Spans waiting, the oldest one's age, totals."""
        return cast("m.LedgerStatus", self._transport.ask("GET", path_of("/api/v1/ledger/status")))

    def live(self) -> m.Live:
        """What is running now

        Calls and worker processes now present; 503 while Redis is away."""
        return cast("m.Live", self._transport.ask("GET", path_of("/api/v1/live")))

    def session(self, session_id: str) -> m.Session:
        """One whole call

        Every request and leg of a call with its entries, the sums of its parts, and the total; of a live one so far."""
        return cast(
            "m.Session", self._transport.ask("GET", path_of("/api/v1/sessions/{session_id}", session_id=session_id))
        )

    def sessions(
        self, *, limit: int | None = None, cursor: str | None = None, project: str | None = None
    ) -> m.Sessions:
        """The last calls

        Calls with what they cost, the one that started last first."""
        return cast(
            "m.Sessions",
            self._transport.ask(
                "GET", path_of("/api/v1/sessions"), query={"limit": limit, "cursor": cursor, "project": project}
            ),
        )

    def spend(
        self,
        *,
        by: Literal["provider", "model", "project"] | None = None,
        bucket: Literal["hour", "minute"] | None = None,
        since: str | None = None,
        until: str | None = None,
        project: str | None = None,
    ) -> m.Spend:
        """Spend over time

        Spend per hour (the last 24 unless told) or per minute (at most the last 60)."""
        return cast(
            "m.Spend",
            self._transport.ask(
                "GET",
                path_of("/api/v1/spend"),
                query={"by": by, "bucket": bucket, "since": since, "until": until, "project": project},
            ),
        )


class RequestsRoutes:
    """The routes of requests; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(
        self,
        *,
        project: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        modality: str | None = None,
        session: str | None = None,
        agent: str | None = None,
        outcome: Literal["ok", "cancelled", "interrupted", "error"] | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.RequestsPage:
        """Requests, the newest first

        Requests that ended within a span of time, at most 93 days; the last 24 hours, or the session's own, unless told.

        What a worker has not delivered yet is not among them; what is not rated yet has no amount."""
        return cast(
            "m.RequestsPage",
            self._transport.ask(
                "GET",
                path_of("/api/v1/requests"),
                query={
                    "project": project,
                    "provider": provider,
                    "model": model,
                    "modality": modality,
                    "session": session,
                    "agent": agent,
                    "outcome": outcome,
                    "since": since,
                    "until": until,
                    "limit": limit,
                    "cursor": cursor,
                },
            ),
        )

    def one(self, request_id: str) -> m.RequestDetail:
        """One request with its span and its entries

        What the worker delivered, and every line that the books have of it; 404 when the token does not reach it."""
        return cast(
            "m.RequestDetail",
            self._transport.ask("GET", path_of("/api/v1/requests/{request_id}", request_id=request_id)),
        )


class RoutingRoutes:
    """The routes of routing; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def declare(self, body: dict[str, Any], *, if_match: str | None = None) -> m.RoutingApplied:
        """Declare chains, stacks and defaults

        Replace the whole set; refused with the reason when anything in it is wrong. Holds everywhere within a second."""
        return cast(
            "m.RoutingApplied",
            self._transport.ask("PUT", path_of("/api/v1/routing"), header={"if-match": if_match}, body=body),
        )

    def get(self) -> m.RoutingDeclared:
        """The declared chains, stacks and defaults

        What is managed, as PUT takes it, and what holds of all layers.

        A token of some projects sees their sections and everybody's."""
        return cast("m.RoutingDeclared", self._transport.ask("GET", path_of("/api/v1/routing")))

    def resolve(
        self,
        *,
        asked: Sequence[str] | None = None,
        project: str | None = None,
        modality: str | None = None,
        session: str | None = None,
        account: Sequence[str] | None = None,
    ) -> m.Resolution:
        """Who would serve a request now

        The decision as it would be taken now, each candidate with its reasons, its price and its speed.

        By what the fleet knows: breakers, what is switched off, limits, budgets, prices; not by what a worker alone knows,
        its packages and keys."""
        return cast(
            "m.Resolution",
            self._transport.ask(
                "GET",
                path_of("/api/v1/resolve"),
                query={
                    "asked": asked,
                    "project": project,
                    "modality": modality,
                    "session": session,
                    "account": account,
                },
            ),
        )


class SessionsRoutes:
    """The routes of sessions; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def end_many(self, body: m.EndMany, *, idempotency_key: str | None = None) -> m.Told:
        """End live sessions of a project, or that cost too much

        Tell the workers of every live session that matches to say goodbye and to end it; `dry_run` only lists them."""
        return cast(
            "m.Told",
            self._transport.ask(
                "POST", path_of("/api/v1/sessions/end"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def end_one(
        self, session_id: str, body: m.EndOne | None | None = None, *, idempotency_key: str | None = None
    ) -> m.Told:
        """End one live session

        Tell the session's worker to say goodbye and to end it; 404 when no such session is live."""
        return cast(
            "m.Told",
            self._transport.ask(
                "POST",
                path_of("/api/v1/sessions/{session_id}/end", session_id=session_id),
                header={"Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def endings(self) -> m.Endings:
        """What became of sessions that were told to end

        The orders of the last hour, the newest first; 503 while Redis is away."""
        return cast("m.Endings", self._transport.ask("GET", path_of("/api/v1/sessions/endings")))


class StacksRoutes:
    """The routes of stacks; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def delete_stack(self, name: str, *, project: str | None = None, if_match: str | None = None) -> m.ItemChanged:
        """Take one stack away

        Take it out of what is managed; 400 while a default names it."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "DELETE",
                path_of("/api/v1/stacks/{name}", name=name),
                query={"project": project},
                header={"if-match": if_match},
            ),
        )

    def get(self) -> m.Items:
        """The stacks that hold

        Everybody's and those of projects that the token reaches."""
        return cast("m.Items", self._transport.ask("GET", path_of("/api/v1/stacks")))

    def put_stack(
        self, name: str, body: dict[str, Any], *, project: str | None = None, if_match: str | None = None
    ) -> m.ItemChanged:
        """Declare one stack

        Put one stack into what is managed: models or names of chains for `stt`, `llm`, `tts`, or `realtime`."""
        return cast(
            "m.ItemChanged",
            self._transport.ask(
                "PUT",
                path_of("/api/v1/stacks/{name}", name=name),
                query={"project": project},
                header={"if-match": if_match},
                body=body,
            ),
        )

    def stack(self, name: str, *, project: str | None = None) -> m.ItemsItem:
        """One stack

        What holds of it and by which layer, and what is managed of it."""
        return cast(
            "m.ItemsItem",
            self._transport.ask("GET", path_of("/api/v1/stacks/{name}", name=name), query={"project": project}),
        )


class ValidationRoutes:
    """The routes of validation; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def by_model(
        self, *, since: str | None = None, until: str | None = None, project: str | None = None
    ) -> m.Validation:
        """Our counts beside others', by model

        Every meter that somebody else counted too, over whole days (UTC); the last week unless told."""
        return cast(
            "m.Validation",
            self._transport.ask(
                "GET", path_of("/api/v1/validation"), query={"since": since, "until": until, "project": project}
            ),
        )

    def requests(
        self,
        *,
        since: str | None = None,
        project: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        finding: Literal[
            "agrees",
            "pushed_not_sent",
            "socket_time",
            "interrupted",
            "retried",
            "estimated",
            "plugin_over_count",
            "plugin_under_count",
            "vendor_over_count",
            "vendor_under_count",
        ]
        | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.Requests:
        """Requests whose counts disagree

        The newest first, of the last week unless told."""
        return cast(
            "m.Requests",
            self._transport.ask(
                "GET",
                path_of("/api/v1/validation/requests"),
                query={
                    "since": since,
                    "project": project,
                    "provider": provider,
                    "model": model,
                    "finding": finding,
                    "limit": limit,
                    "cursor": cursor,
                },
            ),
        )


class VaultRoutes:
    """The routes of vault; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def rotate_secret(self, body: m.RotateSecret, *, idempotency_key: str | None = None) -> m.Rotated:
        """Re-seal everything under the primary secret

        Re-seal in batches; keys are lent all the while. Afterwards the other secrets can be left out everywhere."""
        return cast(
            "m.Rotated",
            self._transport.ask(
                "POST", path_of("/api/v1/vault/rotate-secret"), header={"Idempotency-Key": idempotency_key}, body=body
            ),
        )

    def status(self) -> m.VaultStatus:
        """How the vault is

        Which secrets this controller and the others have, what is sealed under which, what cannot be opened."""
        return cast("m.VaultStatus", self._transport.ask("GET", path_of("/api/v1/vault")))


class WorkersRoutes:
    """The routes of workers; lives as long as its client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def config_status(self) -> m.ConfigStatus:
        """How far the newest configuration has come

        Which processes know the newest limits, budgets and chains, and which do not; 503 while Redis is away.

        A process says what it knows with each message: every second while it carries a call or takes jobs, every ten
        while it waits for one. So long it counts as behind after a change."""
        return cast("m.ConfigStatus", self._transport.ask("GET", path_of("/api/v1/workers/config-status")))

    def drain(
        self, worker_id: str, body: m.DrainOrder | None | None = None, *, idempotency_key: str | None = None
    ) -> m.WorkerRow:
        """Let a worker take no new job

        Its load is reported as full from its next message on, within a second, and its calls go on to their end.

        The order holds for this life of the process: after a restart it takes jobs. 409 for a job process."""
        return cast(
            "m.WorkerRow",
            self._transport.ask(
                "POST",
                path_of("/api/v1/workers/{worker_id}/drain", worker_id=worker_id),
                header={"Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def get(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        kind: Literal["worker", "job"] | None = None,
        host: str | None = None,
        agent: str | None = None,
    ) -> m.WorkerList:
        """The workers and their job processes

        Every process that spoke within the last seconds, as it is by its own word; 503 while Redis is away.

        A token of some projects sees the job processes that carry a call of theirs."""
        return cast(
            "m.WorkerList",
            self._transport.ask(
                "GET",
                path_of("/api/v1/workers"),
                query={"limit": limit, "cursor": cursor, "kind": kind, "host": host, "agent": agent},
            ),
        )

    def undrain(
        self, worker_id: str, body: m.DrainOrder | None | None = None, *, idempotency_key: str | None = None
    ) -> m.WorkerRow:
        """Let it take jobs again

        From its next message on; one that is shutting down stays as it is. 409 for a job process."""
        return cast(
            "m.WorkerRow",
            self._transport.ask(
                "POST",
                path_of("/api/v1/workers/{worker_id}/undrain", worker_id=worker_id),
                header={"Idempotency-Key": idempotency_key},
                body=body,
            ),
        )

    def worker(self, worker_id: str) -> m.WorkerRow:
        """One process

        As in the list; 404 when it has not spoken for some seconds, or the token does not reach it."""
        return cast(
            "m.WorkerRow", self._transport.ask("GET", path_of("/api/v1/workers/{worker_id}", worker_id=worker_id))
        )


class VoiceGateway(Transport):
    """A controller of VoiceGateway. Close it, or use it in a with statement."""

    @property
    def access(self) -> AccessRoutes:
        """The routes of access."""
        return AccessRoutes(self)

    @property
    def alerts(self) -> AlertsRoutes:
        """The routes of alerts."""
        return AlertsRoutes(self)

    @property
    def allowances(self) -> AllowancesRoutes:
        """The routes of allowances."""
        return AllowancesRoutes(self)

    @property
    def audit(self) -> AuditRoutes:
        """The routes of audit."""
        return AuditRoutes(self)

    @property
    def budgets(self) -> BudgetsRoutes:
        """The routes of budgets."""
        return BudgetsRoutes(self)

    @property
    def chains(self) -> ChainsRoutes:
        """The routes of chains."""
        return ChainsRoutes(self)

    @property
    def configuration(self) -> ConfigurationRoutes:
        """The routes of configuration."""
        return ConfigurationRoutes(self)

    @property
    def events(self) -> EventsRoutes:
        """The routes of events."""
        return EventsRoutes(self)

    @property
    def exports(self) -> ExportsRoutes:
        """The routes of exports."""
        return ExportsRoutes(self)

    @property
    def keys(self) -> KeysRoutes:
        """The routes of keys."""
        return KeysRoutes(self)

    @property
    def ledger(self) -> LedgerRoutes:
        """The routes of ledger."""
        return LedgerRoutes(self)

    @property
    def limits(self) -> LimitsRoutes:
        """The routes of limits."""
        return LimitsRoutes(self)

    @property
    def models(self) -> ModelsRoutes:
        """The routes of models."""
        return ModelsRoutes(self)

    @property
    def prices(self) -> PricesRoutes:
        """The routes of prices."""
        return PricesRoutes(self)

    @property
    def projects(self) -> ProjectsRoutes:
        """The routes of projects."""
        return ProjectsRoutes(self)

    @property
    def providers(self) -> ProvidersRoutes:
        """The routes of providers."""
        return ProvidersRoutes(self)

    @property
    def reconciliations(self) -> ReconciliationsRoutes:
        """The routes of reconciliations."""
        return ReconciliationsRoutes(self)

    @property
    def reports(self) -> ReportsRoutes:
        """The routes of reports."""
        return ReportsRoutes(self)

    @property
    def requests(self) -> RequestsRoutes:
        """The routes of requests."""
        return RequestsRoutes(self)

    @property
    def routing(self) -> RoutingRoutes:
        """The routes of routing."""
        return RoutingRoutes(self)

    @property
    def sessions(self) -> SessionsRoutes:
        """The routes of sessions."""
        return SessionsRoutes(self)

    @property
    def stacks(self) -> StacksRoutes:
        """The routes of stacks."""
        return StacksRoutes(self)

    @property
    def validation(self) -> ValidationRoutes:
        """The routes of validation."""
        return ValidationRoutes(self)

    @property
    def vault(self) -> VaultRoutes:
        """The routes of vault."""
        return VaultRoutes(self)

    @property
    def workers(self) -> WorkersRoutes:
        """The routes of workers."""
        return WorkersRoutes(self)
