// The vendors' page: whom workers do not ask just now and why, how fast the others answer, and what is switched off.
import { useState, type ReactNode } from "react";
import { useOrder } from "../api/order";
import { providersReport, switchOn, type Disabled, type Target } from "../api/providers";
import { useReport } from "../api/report";
import { formatCount } from "../lib/format";
import { formatDuration, formatInstant, type Zone } from "../lib/time";
import { Badge, type Tone } from "../ui/badge";
import { buttonColumn } from "../ui/button_column";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";
import { SwitchOff } from "./switch_off";

export interface ProvidersProps {
  readonly zone: Zone;
  readonly zonePicker: ReactNode;
}

const STATES: Readonly<Record<string, readonly [Tone, string]>> = {
  closed: ["good", "asked"],
  half_open: ["warn", "tried again"],
  open: ["bad", "not asked"],
};
const OFF: readonly [Tone, string] = ["neutral", "switched off"];
const CAUSES: Readonly<Record<string, string>> = {
  errors: "it fails",
  timeouts: "it does not answer in time",
  rate_limited: "it refuses more requests",
  unauthorized: "it refuses the key",
};

export function Providers({ zone, zonePicker }: ProvidersProps) {
  const health = useReport(providersReport);
  const { problem, send } = useOrder();
  const [asking, setAsking] = useState<Target | null>(null);

  async function enable(row: Disabled) {
    if ((await send(switchOn(row.provider, row.model))) !== null) await health.refetch();
  }

  return (
    <main className="page">
      <div className="toolbar">
        <span className="muted small">
          What one worker sees of a vendor, all know with their next message. Requests go to the next model of a chain.
        </span>
        {zonePicker}
      </div>
      <p role="alert" className="problem">
        {problem}
      </p>
      <Panel
        title="Switched off"
        note="by hand"
        what="what is switched off"
        polled={health}
        zone={zone}
        isEmpty={(data) => data.disabled.length === 0}
        empty={{ title: "Nothing is switched off", hint: "Switch off a vendor or a model in the list below." }}
      >
        {(data) => (
          <Table
            caption="Vendors and models that are switched off"
            columns={offColumns(zone, data.may_switch ? (row) => void enable(row) : null)}
            rows={data.disabled}
            rowKey={(row) => `${row.provider}/${row.model}`}
          />
        )}
      </Panel>
      <Panel
        title="Vendors"
        note="as all workers see them"
        what="the vendors"
        polled={health}
        zone={zone}
        isEmpty={(data) => data.targets.length === 0}
        empty={{ title: "No vendor was asked yet", hint: "Make a call: each model that a worker asks is listed here." }}
      >
        {(data) => (
          <>
            {!data.is_live && <p className="muted small">Redis is away: this is what was known last.</p>}
            <Table
              caption="Vendors and how they fare"
              columns={columnsFor(zone, data.disabled, data.may_switch ? setAsking : null)}
              rows={[...data.targets].sort(byTrouble)}
              rowKey={keyOf}
            />
            {asking !== null && (
              <SwitchOff
                target={asking}
                onDone={() => {
                  setAsking(null);
                  void health.refetch();
                }}
                onCancel={() => {
                  setAsking(null);
                }}
              />
            )}
          </>
        )}
      </Panel>
    </main>
  );
}

function keyOf({ provider, model, modality, account, region }: Target): string {
  return [provider, model, modality, account, region].join("/");
}

function byTrouble(left: Target, right: Target): number {
  const rank = (row: Target) => (row.state === "closed" ? (row.is_degraded ? 1 : 2) : 0);
  return rank(left) - rank(right) || keyOf(left).localeCompare(keyOf(right));
}

function isOff(row: Target, disabled: readonly Disabled[]): boolean {
  return disabled.some(({ provider, model }) => provider === row.provider && (model === "" || model === row.model));
}

function nameOf(row: Target | Disabled): string {
  return row.model || row.provider;
}

function columnsFor(
  zone: Zone,
  off: readonly Disabled[],
  onOff: ((row: Target) => void) | null,
): Column<Target>[] {
  return [
    {
      name: "Model",
      kind: "wrap",
      cell: (row) => (
        <>
          <div>{row.model || "The account"}</div>
          <div className="muted small">{[row.provider, row.modality, row.region].filter(Boolean).join(" · ")}</div>
        </>
      ),
    },
    { name: "State", kind: "wrap", cell: (row) => <State of={row} isOff={isOff(row, off)} zone={zone} /> },
    { name: "Account", wideOnly: true, cell: (row) => <span className="mono">{row.account || "–"}</span> },
    { name: "p50", kind: "number", wideOnly: true, cell: (row) => duration(row.ttfb_p50_ms) },
    { name: "p95", kind: "number", wideOnly: true, cell: (row) => duration(row.ttfb_p95_ms) },
    ...(onOff === null ? [] : [buttonColumn({ words: "Switch off", nameOf, onClick: onOff })]),
  ];
}

function offColumns(zone: Zone, onOn: ((row: Disabled) => void) | null): Column<Disabled>[] {
  return [
    { name: "What", cell: (row) => (row.model === "" ? row.provider : `${row.provider}/${row.model}`) },
    {
      name: "Until",
      cell: (row) => (row.until === null ? "somebody switches it on" : formatInstant(row.until, zone)),
    },
    { name: "Why", kind: "wrap", wideOnly: true, cell: (row) => row.reason || "–" },
    ...(onOn === null ? [] : [buttonColumn({ words: "Switch on", nameOf, onClick: onOn })]),
  ];
}

interface StateProps {
  readonly of: Target;
  /** A person's word counts more than the breaker's. */
  readonly isOff: boolean;
  readonly zone: Zone;
}

function State({ of, isOff, zone }: StateProps) {
  const [tone, words] = isOff ? OFF : (STATES[of.state] ?? ["neutral", of.state]);
  return (
    <>
      <span className="badges">
        <Badge tone={tone} withDot>
          {words}
        </Badge>
        {of.is_degraded && (
          <Badge tone="warn" title="It answers far slower than it did before: it is asked after the others.">
            slow
          </Badge>
        )}
      </span>
      {of.cause !== "" && (
        <div className="muted small">
          {CAUSES[of.cause] ?? of.cause}
          {of.since !== null && `, since ${formatInstant(of.since, zone)}`}
          {of.retry_ms > 0 && `, again in ${formatDuration(of.retry_ms)}`}
        </div>
      )}
    </>
  );
}

function duration(ms: number): string {
  return ms === 0 ? "–" : `${formatCount(ms)} ms`;
}
