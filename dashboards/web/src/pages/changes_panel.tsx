// What changed since the run before of the same month: the vendor restated something, or our books changed.
import { comparisonReport, type Comparison } from "../api/reconciliations";
import { useReport } from "../api/report";
import { plural } from "../lib/format";
import { TITLES } from "../lib/reconciliation_words";
import type { Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Panel } from "../ui/panel";
import { Signed } from "../ui/signed";
import { Table, type Column } from "../ui/table";
import { linkTo } from "./page";

export interface ChangesPanelProps {
  readonly number: string;
  readonly zone: Zone;
}

export function ChangesPanel({ number, zone }: ChangesPanelProps) {
  const polled = useReport(comparisonReport(number));
  // A month's first run has none before it: the controller says so with a conflict, and that is no trouble.
  const isFirst = polled.error?.kind === "refused" && polled.data === undefined;
  return (
    <Panel
      title="Since the run before"
      what="the comparison"
      polled={isFirst ? { ...polled, error: null, data: NOTHING } : polled}
      zone={zone}
      isEmpty={(data) => data === NOTHING}
      empty={{
        title: "There is nothing to compare with",
        hint: `${polled.error?.message ?? ""}. The next run of the month is compared with this one.`,
      }}
    >
      {(data) => <Changes of={data} />}
    </Panel>
  );
}

const NOTHING = { parts: [], cells: [] } as unknown as Comparison;

function Changes({ of }: { readonly of: Comparison }) {
  return (
    <>
      <p className="panel-line">
        Since <a href={linkTo("books", String(of.before))}>#{of.before}</a>: the vendor&apos;s amount{" "}
        <Signed of={of.vendor_change_usd} />, ours <Signed of={of.ours_change_usd} />; {plural(of.cells.length, "cell")}{" "}
        {of.is_complete ? "changed" : "listed of those that changed"}.
      </p>
      {of.parts.length > 0 && (
        <Table caption="Parts that changed" columns={COLUMNS} rows={of.parts} rowKey={(row) => row.category} />
      )}
    </>
  );
}

const COLUMNS: readonly Column<Comparison["parts"][number]>[] = [
  { name: "Part", cell: (row) => TITLES[row.category] ?? row.category },
  { name: "Before", kind: "number", cell: (row) => <Amount of={row.before_usd} /> },
  { name: "After", kind: "number", cell: (row) => <Amount of={row.after_usd} /> },
];
