// Where the money of the period went, by provider, model or project.
import { useState } from "react";
import { costsReport, type CostRow, type Costs, type Dimension } from "../api/costs";
import { useReport } from "../api/report";
import { formatCount, formatPerMille, formatUsage, usageDetail } from "../lib/format";
import { compareUsd, perMille } from "../lib/money";
import { Amount, AmountOf } from "../ui/amount";
import { Doubts } from "../ui/badge";
import { Meter } from "../ui/meter";
import { Panel } from "../ui/panel";
import { Segmented } from "../ui/segmented";
import { Table, type Column } from "../ui/table";
import { PERIOD_WORDS, type Scope } from "./scope";

export const DIMENSION_NAMES: Readonly<Record<Dimension, string>> = {
  provider: "Provider",
  model: "Model",
  project: "Project",
};

export function BreakdownPanel({ period, zone }: Scope) {
  const [by, setBy] = useState<Dimension>("provider");
  const costs = useReport(costsReport(by, period, zone));
  return (
    <Panel
      title="Spend breakdown"
      note={PERIOD_WORDS[period]}
      what="the breakdown"
      polled={costs}
      zone={zone}
      isEmpty={(data) => data.rows.length === 0}
      empty={{ title: "No requests in this period", hint: "Make a call, or choose a longer period." }}
      controls={<Segmented label="Break down by" choices={DIMENSION_NAMES} value={by} onChange={setBy} />}
      isHalf
    >
      {(data) => (
        <Table
          caption={`Spend by ${by}, ${PERIOD_WORDS[period]}`}
          columns={columnsFor(data, by)}
          rows={[...data.rows].sort(bySpend)}
          rowKey={(row) => row.key}
        />
      )}
    </Panel>
  );
}

function bySpend(left: CostRow, right: CostRow): number {
  return compareUsd(right.amount_usd, left.amount_usd) || left.key.localeCompare(right.key);
}

function columnsFor({ total }: Costs, by: Dimension): Column<CostRow>[] {
  return [
    {
      name: DIMENSION_NAMES[by],
      kind: "wrap",
      total: "Total",
      cell: (row) => (
        <>
          <div>{row.key}</div>
          <div className="muted small" title={usageDetail(row.usage)}>
            {formatUsage(row.usage)}
          </div>
          <Doubts estimated={row.estimated_requests} unrated={row.unrated_requests} />
        </>
      ),
    },
    { name: "Requests", kind: "number", total: formatCount(total.requests), cell: (row) => formatCount(row.requests) },
    {
      name: "Spend",
      kind: "number",
      total: <Amount of={total.amount_usd} />,
      cell: (row) => <AmountOf sums={row} />,
    },
    {
      name: "Share",
      kind: "number",
      wideOnly: true,
      cell: (row) => {
        const share = perMille(row.amount_usd, total.amount_usd);
        return (
          <>
            {formatPerMille(share)}
            <Meter solid={share} />
          </>
        );
      },
    },
  ];
}
