// Vendors' keys: masked, where each comes from, who may use it, and revoking one.
import { useState } from "react";
import { keysReport, revokeKey, type VendorKey } from "../api/administration";
import { useReport } from "../api/report";
import { formatCount } from "../lib/format";
import { formatInstant, type Zone } from "../lib/time";
import { Badge, type Tone } from "../ui/badge";
import { buttonColumn } from "../ui/button_column";
import { Confirm } from "../ui/confirm";
import { Panel } from "../ui/panel";
import { projectsOf } from "../ui/projects_of";
import { Table, type Column } from "../ui/table";

const TONES: Readonly<Record<string, Tone>> = { active: "good", locked: "bad", unreadable: "bad" };

export function KeysPanel({ zone }: { readonly zone: Zone }) {
  const keys = useReport(keysReport);
  const [asking, setAsking] = useState<VendorKey | null>(null);

  function close() {
    setAsking(null);
    void keys.refetch();
  }

  return (
    <Panel
      title="Vendor keys"
      note="lent to workers, in memory only"
      what="the vendors' keys"
      polled={keys}
      zone={zone}
      isEmpty={(data) => data.keys.length === 0}
      empty={{
        title: "The vault holds no key",
        hint: "voicegw keys add NAME --provider openai: workers then need none of their own.",
      }}
    >
      {(data) => (
        <>
          <Table caption="Vendors' keys" columns={columnsFor(zone, setAsking)} rows={data.keys} rowKey={(row) => row.id} />
          {asking !== null && (
            <Confirm
              title="Revoke this key?"
              words="Revoke"
              keepWords="Keep it"
              order={revokeKey(asking.id)}
              onDone={close}
              onCancel={close}
            >
              {asking.id} <span className="mono">{asking.masked}</span>: every worker forgets it with
              its next message, and it cannot be brought back. Revoke it at the vendor as well.
            </Confirm>
          )}
        </>
      )}
    </Panel>
  );
}

function columnsFor(zone: Zone, onRevoke: (row: VendorKey) => void): Column<VendorKey>[] {
  return [
    {
      name: "Key",
      kind: "wrap",
      cell: (row) => (
        <>
          <div>
            {row.id} <span className="mono muted small">{row.masked}</span>
          </div>
          <div className="muted small">{[row.provider, row.note, row.reads].filter(Boolean).join(" · ")}</div>
        </>
      ),
    },
    {
      name: "State",
      cell: (row) => (
        <Badge tone={TONES[row.state] ?? "neutral"} {...(row.problem && { title: row.problem })}>
          {row.state}
        </Badge>
      ),
    },
    { name: "Source", wideOnly: true, cell: (row) => row.source },
    { name: "Projects", kind: "wrap", wideOnly: true, cell: (row) => projectsOf(row.projects) },
    { name: "Account", wideOnly: true, cell: (row) => <span className="mono">{row.fingerprint}</span> },
    { name: "Held by", kind: "number", cell: (row) => (row.holders === null ? "–" : formatCount(row.holders)) },
    {
      name: "Since",
      wideOnly: true,
      cell: (row) => {
        const since = row.rotated_at ?? row.created_at;
        return since === null ? "–" : formatInstant(since, zone);
      },
    },
    buttonColumn<VendorKey>({
      words: "Revoke",
      nameOf: (row) => row.id,
      onClick: onRevoke,
      // What is read from elsewhere is revoked there.
      isOffered: (row) => row.is_sealed && row.state !== "revoked",
    }),
  ];
}
