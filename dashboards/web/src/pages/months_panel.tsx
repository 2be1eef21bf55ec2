// Which months of the books are closed, and what is booked in each.
import type { Month, Months } from "../api/books";
import { formatCount, plural } from "../lib/format";
import { formatInstant, type Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Badge } from "../ui/badge";
import { Panel } from "../ui/panel";
import type { Polled } from "../ui/state";
import { Table, type Column } from "../ui/table";

export interface MonthsPanelProps {
  readonly months: Polled<Months>;
  readonly zone: Zone;
}

export function MonthsPanel({ months, zone }: MonthsPanelProps) {
  return (
    <Panel
      title="Months"
      what="the months"
      polled={months}
      zone={zone}
      isEmpty={(data) => data.periods.length === 0}
      empty={{ title: "Nothing is booked yet", hint: "Make a call: its month appears here." }}
      isHalf
    >
      {(data) => (
        <Table caption="Months of the books" columns={columnsFor(zone)} rows={data.periods} rowKey={(row) => row.month} />
      )}
    </Panel>
  );
}

function columnsFor(zone: Zone): Column<Month>[] {
  return [
    {
      name: "Month",
      cell: (row) => (
        <>
          {row.month}{" "}
          {row.is_closed ? (
            <Badge tone="good" title={closingOf(row, zone)}>
              closed
            </Badge>
          ) : (
            <Badge tone="neutral" title={`voicegw ledger close ${row.month}`}>
              open
            </Badge>
          )}
          {row.pending_spans > 0 && (
            <div className="muted small">{plural(row.pending_spans, "request")} not rated yet</div>
          )}
        </>
      ),
    },
    { name: "Entries", kind: "number", cell: (row) => formatCount(row.entries) },
    {
      name: "Late",
      kind: "number",
      cell: (row) =>
        row.late_entries === 0 ? (
          <span className="muted">–</span>
        ) : (
          <span title="Booked in this month, of months that were closed already.">{formatCount(row.late_entries)}</span>
        ),
    },
    { name: "Amount", kind: "number", cell: (row) => <Amount of={row.amount_usd} /> },
  ];
}

function closingOf({ closed_at, closed_by, reason }: Month, zone: Zone): string {
  const when = closed_at === null ? "" : formatInstant(closed_at, zone);
  return [`Closed ${when} by ${closed_by}`, reason].filter(Boolean).join("\n");
}
