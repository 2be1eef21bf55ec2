// The overview: what is running, what it costs, how fast it answers.
import { useState } from "react";
import { useReport } from "../api/report";
import { ledgerStatusReport } from "../api/ledger";
import { liveReport } from "../api/live";
import { zoneName, type Period, type Zone } from "../lib/time";
import { Segmented } from "../ui/segmented";
import { BreakdownPanel } from "./breakdown_panel";
import { Header } from "./header";
import { LatencyPanel } from "./latency_panel";
import { SessionsPanel } from "./sessions_panel";
import { SpendPanel } from "./spend_panel";
import { Tiles } from "./tiles";

const PERIODS: Readonly<Record<Period, string>> = { today: "Today", "24h": "24 hours", "7d": "7 days" };
const ZONES: Readonly<Record<Zone, string>> = { utc: "UTC", local: "Local" };

export function Overview() {
  const [period, setPeriod] = useState<Period>("today");
  // UTC by default: the ledger's days are UTC days, and so are the vendors' invoices.
  const [zone, setZone] = useState<Zone>("utc");
  const live = useReport(liveReport);
  const ledger = useReport(ledgerStatusReport);
  const scope = { period, zone };
  return (
    <>
      <Header live={live} ledger={ledger} zone={zone} />
      <main className="page">
        <div className="toolbar">
          <Segmented label="Period" choices={PERIODS} value={period} onChange={setPeriod} />
          <div className="toolbar toolbar-end">
            <span className="muted small">Times in {zoneName(zone, live.dataUpdatedAt)}</span>
            <Segmented label="Time zone" choices={ZONES} value={zone} onChange={setZone} />
          </div>
        </div>
        <Tiles {...scope} />
        <SpendPanel {...scope} />
        <BreakdownPanel {...scope} />
        <LatencyPanel {...scope} />
        <SessionsPanel live={live.error === null ? (live.data?.sessions ?? []) : []} zone={zone} />
      </main>
    </>
  );
}
