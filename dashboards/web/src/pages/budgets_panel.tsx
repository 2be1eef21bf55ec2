// Every budget: what is spent, reserved and left of it, when it resets, and when it will run out.
import type { Budget, BudgetsStatus } from "../api/budgets";
import { formatPerMille, plural } from "../lib/format";
import { compareUsd, perMille } from "../lib/money";
import { barOf, standingOf } from "../lib/standing";
import type { Zone } from "../lib/time";
import { formatWallClock } from "../lib/wall_clock";
import { Amount } from "../ui/amount";
import { Badge } from "../ui/badge";
import { Gauge } from "../ui/gauge";
import { Panel } from "../ui/panel";
import type { Polled } from "../ui/state";
import { Table, type Column } from "../ui/table";
import { Burn, Projected } from "./outlook";

export interface BudgetsPanelProps {
  readonly status: Polled<BudgetsStatus>;
  readonly zone: Zone;
}

const HOW_TO_DECLARE = (
  <>
    Write in budgets.yaml
    <br />
    <code className="mono break">{'budgets: [{project: acme, amount: "25.00", window: day, action: warn}]'}</code>
    <br />
    and run <code className="mono">voicegw budgets apply budgets.yaml</code>
  </>
);

export function BudgetsPanel({ status, zone }: BudgetsPanelProps) {
  return (
    <Panel
      title="Budgets"
      {...(status.data?.is_live === false && { note: "Redis is away: spent is what the ledger says, reserved is not known" })}
      what="the budgets"
      polled={status}
      zone={zone}
      isEmpty={(data) => data.budgets.length === 0}
      empty={{ title: "No budget is declared", hint: HOW_TO_DECLARE }}
    >
      {(data) => (
        <Table
          caption="Budgets and how they stand"
          columns={COLUMNS}
          rows={[...data.budgets].sort(fullestFirst)}
          rowKey={(row) => row.id}
        />
      )}
    </Panel>
  );
}

function fullestFirst(left: Budget, right: Budget): number {
  const share = (budget: Budget) => (budget.spent_usd === null ? -1 : perMille(budget.spent_usd, budget.amount_usd));
  return share(right) - share(left) || compareUsd(right.amount_usd, left.amount_usd) || left.id.localeCompare(right.id);
}

const WINDOWS: Readonly<Record<string, string>> = {
  hour: "per hour",
  day: "per day",
  week: "per week",
  month: "per month",
  rolling_24h: "in any 24 hours",
  total: "once and for all",
  session: "per call",
};
const RESETS: Readonly<Record<string, string>> = { rolling_24h: "slides", total: "never", session: "with each call" };
const ACTIONS: Readonly<Record<string, string>> = {
  warn: "warns",
  throttle: "throttles",
  block: "blocks",
  end_session: "ends calls",
};

const COLUMNS: readonly Column<Budget>[] = [
  {
    name: "Budget",
    cell: (row) => (
      <div className="roomy">
        {row.id}
        <div className="muted small">{scopeOf(row)}</div>
        <div className="phone-only">
          <State of={row} />
        </div>
      </div>
    ),
  },
  {
    name: "State",
    wideOnly: true,
    cell: (row) => (
      <>
        <State of={row} />
        <div className="muted small">{ACTIONS[row.action] ?? row.action}</div>
      </>
    ),
  },
  { name: "Spent of the amount", cell: (row) => <Spent of={row} /> },
  {
    name: "Left",
    kind: "number",
    wideOnly: true,
    cell: (row) => (
      <>
        {row.left_usd === null ? <None /> : <Amount of={row.left_usd} />}
        {row.reserved_usd !== null && row.reserved_usd > 0n && (
          <div className="muted small" title={`By ${plural(row.holders, "worker process", "worker processes")}, for what they are about to spend.`}>
            <Amount of={row.reserved_usd} /> reserved
          </div>
        )}
      </>
    ),
  },
  { name: "Resets", wideOnly: true, cell: (row) => <Reset of={row} /> },
  {
    name: "Burn rate",
    kind: "number",
    wideOnly: true,
    cell: (row) => (row.forecast === null ? <None /> : <Burn of={row.forecast} />),
  },
  { name: "Runs out", wideOnly: true, cell: (row) => <RunsOut of={row} /> },
];

interface Of {
  readonly of: Budget;
}

function Spent({ of }: Of) {
  return (
    <>
      <div className="spent-of">
        <span>
          {of.spent_usd !== null && (
            <>
              <Amount of={of.spent_usd} /> of{" "}
            </>
          )}
          <Amount of={of.amount_usd} />
        </span>
        {of.spent_usd !== null && (
          <span className="muted small wide-only">{formatPerMille(perMille(of.spent_usd, of.amount_usd))}</span>
        )}
      </div>
      {of.window !== "session" && <Gauge bar={barOf(of)} tone={standingOf(of).tone} />}
      <div className="phone-only small">
        <Reset of={of} />
      </div>
    </>
  );
}

function State({ of }: Of) {
  const { tone, word, meaning } = standingOf(of);
  return (
    <span className="badges">
      <Badge tone={tone} title={meaning} withDot>
        {word}
      </Badge>
      {of.is_unbacked && (
        <Badge
          tone="warn"
          title="Released while Postgres was away and not noted there yet: a loss of Redis before it is would forget it."
        >
          unbacked
        </Badge>
      )}
    </span>
  );
}

function None() {
  return <span className="muted">–</span>;
}

function scopeOf({ selector }: Budget): string {
  const scopes = Object.entries(selector).map(([scope, name]) => `${scope} ${name}`);
  return scopes.length === 0 ? "the whole fleet" : scopes.join(" · ");
}

function Reset({ of: { window, resets_at, zone } }: Of) {
  const words = WINDOWS[window] ?? window;
  if (resets_at === null) {
    return (
      <>
        <span className="muted">{RESETS[window] ?? "never"}</span>
        <div className="muted small">{words}</div>
      </>
    );
  }
  return (
    <>
      <time dateTime={new Date(resets_at).toISOString()}>{formatWallClock(resets_at, zone)}</time>
      <div className="muted small">
        {words}, {zone}
      </div>
    </>
  );
}

function RunsOut({ of: { state, forecast, resets_at, zone, amount_usd } }: Of) {
  if (forecast === null) return <None />;
  const { runs_out_at, window_end, sureness } = forecast;
  return (
    <>
      {state === "exhausted" || state === "over" ? (
        <strong>it has</strong>
      ) : runs_out_at === null ? (
        <span className="muted">{resets_at === null ? "not in sight" : "not before"}</span>
      ) : (
        <time dateTime={new Date(runs_out_at).toISOString()} title={zone}>
          {formatWallClock(runs_out_at, zone)}
        </time>
      )}
      {window_end !== null && (
        <div className="muted small">
          <Projected of={window_end} sureness={sureness} limit={amount_usd} /> at the reset
        </div>
      )}
    </>
  );
}
