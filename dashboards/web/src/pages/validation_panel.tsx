// Our counts beside LiveKit's plugins' and the vendors' own, and why they disagree where they do.
import { useReport } from "../api/report";
import { validationReport, type Counted, type Validation } from "../api/validation";
import { formatCount, formatPerMille, plural } from "../lib/format";
import { formatDay, type Zone } from "../lib/time";
import { Badge } from "../ui/badge";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";

export function ValidationPanel({ zone }: { readonly zone: Zone }) {
  const validation = useReport(validationReport);
  const { data } = validation;
  return (
    <Panel
      title="Validation"
      note={`our counts beside others'${data === undefined ? "" : `, ${daysOf(data)}`}`}
      what="the validation"
      polled={validation}
      zone={zone}
      isEmpty={(found) => found.rows.length === 0}
      empty={{
        title: "Nobody else counted anything in these days",
        hint: "Make a call: what LiveKit's plugins and the vendors say they counted is held against our own counts.",
      }}
    >
      {(found) => (
        <>
          <Table
            caption="Our counts beside others'"
            columns={columnsFor(found)}
            rows={found.rows}
            rowKey={(row) => [row.provider, row.model, row.modality, row.meter, row.source].join("/")}
          />
          <Meanings of={found} />
        </>
      )}
    </Panel>
  );
}

function daysOf({ since, until }: Validation): string {
  return `${formatDay(since, "utc")} to ${formatDay(until - 1, "utc")}`;
}

function columnsFor({ meaning }: Validation): Column<Counted>[] {
  return [
    {
      name: "Count",
      kind: "wrap",
      cell: (row) => (
        <>
          <div className="break">{row.model}</div>
          <div className="muted small">{[row.provider, row.modality, row.meter].join(" · ")}</div>
        </>
      ),
    },
    { name: "Ours", kind: "number", cell: (row) => grouped(row.ours) },
    { name: "Plugin", kind: "number", wideOnly: true, cell: (row) => (row.source === "plugin" ? grouped(row.theirs) : NONE) },
    { name: "Vendor", kind: "number", wideOnly: true, cell: (row) => (row.source === "vendor" ? grouped(row.theirs) : NONE) },
    {
      name: "Agree",
      kind: "number",
      cell: (row) => (
        <>
          {formatPerMille(row.requests === 0 ? 0 : Math.floor((row.agreeing * 1000) / row.requests))}
          <div className="muted small">of {plural(row.requests, "request")}</div>
          <div className="muted small phone-only">
            {row.source}: {grouped(row.theirs)}
          </div>
        </>
      ),
    },
    {
      name: "Reasons",
      kind: "wrap",
      wideOnly: true,
      cell: (row) => (
        <span className="badges">
          {Object.entries(row.findings).map(([finding, requests]) => (
            <Badge key={finding} tone={toneOf(finding)} title={meaning[finding] ?? finding}>
              {formatCount(requests)} {finding.replaceAll("_", " ")}
            </Badge>
          ))}
        </span>
      ),
    },
  ];
}

const NONE = <span className="muted">–</span>;

/** Of the reasons, these say that money may be wrong; the others are known and harmless. */
function toneOf(finding: string) {
  if (finding === "vendor_over_count") return "bad";
  return finding.endsWith("_count") ? "warn" : "neutral";
}

/** Only of the reasons that were found. */
function Meanings({ of: { rows, meaning } }: { readonly of: Validation }) {
  const found = new Set(rows.flatMap((row) => Object.keys(row.findings)));
  if (found.size === 0) return null;
  return (
    <dl className="meanings small">
      {[...found].sort().map((finding) => (
        <div key={finding}>
          <dt>{finding.replaceAll("_", " ")}</dt>
          <dd className="muted">{meaning[finding] ?? "a reason that this page does not know: reload it"}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A whole number of any size, with its thousands. */
function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}
