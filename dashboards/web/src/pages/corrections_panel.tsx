// Why something was booked that is no usage, the newest first.
import { correctionsReport, CORRECTIONS_MAX, type Correction } from "../api/books";
import { useReport } from "../api/report";
import { formatCount, shortId } from "../lib/format";
import { formatDay, formatInstant, type Zone } from "../lib/time";
import { Badge } from "../ui/badge";
import { Panel } from "../ui/panel";
import { Signed } from "../ui/signed";
import { Table, type Column } from "../ui/table";

export function CorrectionsPanel({ zone }: { readonly zone: Zone }) {
  const corrections = useReport(correctionsReport);
  return (
    <Panel
      title="Corrections"
      note={`the newest ${CORRECTIONS_MAX}; nothing booked is ever changed, it is corrected`}
      what="the corrections"
      polled={corrections}
      zone={zone}
      isEmpty={(data) => data.corrections.length === 0}
      empty={{
        title: "Nothing was corrected",
        hint: "Re-ratings, credits of allowances and accepted invoices appear here, with who booked them and why.",
      }}
    >
      {(data) => (
        <Table caption="Corrections of the books" columns={columnsFor(zone)} rows={data.corrections} rowKey={(row) => row.id} />
      )}
    </Panel>
  );
}

function columnsFor(zone: Zone): Column<Correction>[] {
  return [
    {
      name: "Why",
      kind: "wrap",
      cell: (row) => (
        <>
          <Badge tone="neutral">{row.kind}</Badge> <span className="break">{row.reason}</span>
          <div className="muted small" title={row.id}>
            <time dateTime={new Date(row.created_at).toISOString()} title={formatInstant(row.created_at, zone)}>
              {formatDay(row.created_at, zone)}
            </time>{" "}
            · {row.actor}
            {row.reverses !== null && ` · takes back ${shortId(row.reverses)}`}
          </div>
        </>
      ),
    },
    { name: "Id", wideOnly: true, cell: (row) => <span className="mono" title={row.id}>{shortId(row.id)}</span> },
    { name: "Entries", kind: "number", wideOnly: true, cell: (row) => formatCount(row.entries) },
    { name: "Amount", kind: "number", cell: (row) => <Signed of={row.amount_usd} /> },
  ];
}
