// The overview: what is running, what it costs, how fast it answers.
import { useState, type ReactNode } from "react";
import type { Live } from "../api/live";
import type { Period, Zone } from "../lib/time";
import { Segmented } from "../ui/segmented";
import type { Polled } from "../ui/state";
import { BreakdownPanel } from "./breakdown_panel";
import { LatencyPanel } from "./latency_panel";
import { SessionsPanel } from "./sessions_panel";
import { SpendPanel } from "./spend_panel";
import { Tiles } from "./tiles";

const PERIODS: Readonly<Record<Period, string>> = { today: "Today", "24h": "24 hours", "7d": "7 days" };

export interface OverviewProps {
  readonly live: Polled<Live>;
  readonly zone: Zone;
  readonly zonePicker: ReactNode;
}

export function Overview({ live, zone, zonePicker }: OverviewProps) {
  const [period, setPeriod] = useState<Period>("today");
  const scope = { period, zone };
  return (
    <main className="page">
      <div className="toolbar">
        <Segmented label="Period" choices={PERIODS} value={period} onChange={setPeriod} />
        {zonePicker}
      </div>
      <Tiles {...scope} />
      <SpendPanel {...scope} />
      <BreakdownPanel {...scope} />
      <LatencyPanel {...scope} />
      <SessionsPanel live={live.error === null ? live.data : undefined} zone={zone} />
    </main>
  );
}
