// What each project will have spent at the end of its month, and which of its hours are odd.
import type { BudgetsStatus, OddHour, ProjectForecast } from "../api/budgets";
import { compareUsd, formatUsd } from "../lib/money";
import type { Zone } from "../lib/time";
import { formatWallClock } from "../lib/wall_clock";
import { Amount } from "../ui/amount";
import { Badge } from "../ui/badge";
import { Panel } from "../ui/panel";
import type { Polled } from "../ui/state";
import { Table, type Column } from "../ui/table";
import { Burn, Projected } from "./outlook";

export interface ProjectsPanelProps {
  readonly status: Polled<BudgetsStatus>;
  readonly zone: Zone;
}

export function ProjectsPanel({ status, zone }: ProjectsPanelProps) {
  return (
    <Panel
      title="This month"
      note="by project, with or without a budget"
      what="the forecast"
      polled={status}
      zone={zone}
      isEmpty={(data) => data.projects.length === 0}
      empty={{ title: "Nothing was spent yet", hint: "Make a call: what a project will come to is told from then on." }}
      isHalf
    >
      {(data) => (
        <Table
          caption="This month by project"
          columns={columnsFor(data.anomalies)}
          rows={[...data.projects].sort(dearestFirst)}
          rowKey={(row) => row.project}
        />
      )}
    </Panel>
  );
}

function dearestFirst(left: ProjectForecast, right: ProjectForecast): number {
  return compareUsd(right.month_end.likely_usd, left.month_end.likely_usd) || left.project.localeCompare(right.project);
}

function columnsFor(odd: readonly OddHour[]): Column<ProjectForecast>[] {
  return [
    {
      name: "Project",
      kind: "wrap",
      cell: (row) => (
        <>
          <div>{row.project || "the whole fleet"}</div>
          {odd
            .filter((hour) => hour.project === row.project)
            .map((hour) => (
              <Badge key={hour.hour} tone="warn" title={detailOf(hour, row.zone)}>
                odd hour: <Amount of={hour.spent_usd} />
              </Badge>
            ))}
        </>
      ),
    },
    { name: "Spent", kind: "number", cell: (row) => <Amount of={row.spent_this_month_usd} /> },
    { name: "Burn rate", kind: "number", wideOnly: true, cell: (row) => <Burn of={row} /> },
    {
      name: "At its end",
      kind: "number",
      cell: (row) => <Projected of={row.month_end} sureness={row.sureness} />,
    },
  ];
}

function detailOf({ hour, usual_usd, weeks }: OddHour, zone: string): string {
  return `In the hour of ${formatWallClock(hour, zone)} (${zone}); usual at this hour of the week, over ${weeks} weeks: ${formatUsd(usual_usd)}`;
}
