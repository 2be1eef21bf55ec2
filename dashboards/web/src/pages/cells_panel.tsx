// The cells of a reconciliation that differ most: one day, key, model and meter, both sides and why.
import { cellsReport, CELLS_MAX, type Cell } from "../api/reconciliations";
import { useReport } from "../api/report";
import { formatCount } from "../lib/format";
import { TITLES } from "../lib/reconciliation_words";
import type { Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Panel } from "../ui/panel";
import { Signed } from "../ui/signed";
import { Table, type Column } from "../ui/table";

export interface CellsPanelProps {
  readonly number: string;
  readonly zone: Zone;
  /** How many were compared. */
  readonly cells: number;
}

export function CellsPanel({ number, zone, cells }: CellsPanelProps) {
  const worst = useReport(cellsReport(number));
  return (
    <Panel
      title="Worst cells"
      note={`at most ${CELLS_MAX} of ${formatCount(cells)}, the largest difference first`}
      what="the cells"
      polled={worst}
      zone={zone}
      isEmpty={(data) => data.cells.length === 0}
      empty={{ title: "No cell differs", hint: "Every day, key, model and meter is as the vendor has it." }}
    >
      {(data) => (
        <Table caption="The cells that differ most" columns={COLUMNS} rows={data.cells} rowKey={(row) => String(row.position)} />
      )}
    </Panel>
  );
}

const COLUMNS: readonly Column<Cell>[] = [
  {
    name: "Cell",
    kind: "wrap",
    cell: (row) => (
      <>
        <div className="break">{[row.model || row.category, row.meter].filter(Boolean).join(" · ")}</div>
        <div className="muted small break">
          {[row.day ?? "the month", ...Object.values(row.context), row.key_id && `key ${row.key_id}`]
            .filter(Boolean)
            .join(" · ")}
        </div>
        <div className="phone-only">
          <Why of={row} />
        </div>
      </>
    ),
  },
  {
    name: "Vendor",
    kind: "number",
    wideOnly: true,
    cell: (row) => <Side amount={<Amount of={row.vendor_usd} />} quantity={row.vendor_quantity} />,
  },
  {
    name: "Ours",
    kind: "number",
    wideOnly: true,
    cell: (row) => <Side amount={<Amount of={row.ours_usd} />} quantity={row.our_quantity} />,
  },
  { name: "Difference", kind: "number", cell: (row) => <Signed of={row.difference_usd} /> },
  { name: "Why", kind: "wrap", wideOnly: true, cell: (row) => <Why of={row} /> },
];

function Side({ amount, quantity }: { readonly amount: React.ReactNode; readonly quantity: string | null }) {
  return (
    <>
      {amount}
      {quantity !== null && <div className="muted small">{quantity}</div>}
    </>
  );
}

function Why({ of }: { readonly of: Cell }) {
  return (
    <>
      {of.parts.map((part) => (
        <div key={`${part.category} ${part.reason}`} className="small">
          <strong>{TITLES[part.category] ?? part.category}</strong> <Signed of={part.amount_usd} />
          {part.reason !== "" && `: ${part.reason}`}
        </div>
      ))}
      {of.notes.map((note) => (
        <div key={note} className="muted small">
          {note}
        </div>
      ))}
    </>
  );
}
