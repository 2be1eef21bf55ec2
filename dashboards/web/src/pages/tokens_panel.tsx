// Access tokens: whose, for what, when last used; making one and revoking one.
import { useState } from "react";
import { revokeToken, tokensReport, type Token } from "../api/administration";
import { useReport } from "../api/report";
import { formatInstant, type Zone } from "../lib/time";
import { Badge } from "../ui/badge";
import { buttonColumn } from "../ui/button_column";
import { Confirm } from "../ui/confirm";
import { Panel } from "../ui/panel";
import { projectsOf } from "../ui/projects_of";
import { Table, type Column } from "../ui/table";
import { NewTokenDialog } from "./new_token";

export function TokensPanel({ zone }: { readonly zone: Zone }) {
  const tokens = useReport(tokensReport);
  const [asking, setAsking] = useState<Token | null>(null);
  const [isMaking, setMaking] = useState(false);

  function close() {
    setAsking(null);
    setMaking(false);
    void tokens.refetch();
  }

  return (
    <Panel
      title="Tokens"
      note="for workers, scripts and people"
      what="the tokens"
      polled={tokens}
      zone={zone}
      isEmpty={(data) => data.tokens.length === 0}
      empty={{ title: "There is no token", hint: "Make one for each worker fleet, script or person." }}
      controls={
        <button
          type="button"
          className="button button-small"
          onClick={() => {
            setMaking(true);
          }}
        >
          New token
        </button>
      }
    >
      {(data) => (
        <>
          <Table
            caption="Access tokens"
            columns={columnsFor(zone, tokens.dataUpdatedAt, setAsking)}
            rows={data.tokens}
            rowKey={(row) => row.id}
          />
          {isMaking && <NewTokenDialog onClose={close} />}
          {asking !== null && (
            <Confirm
              title="Revoke this token?"
              words="Revoke"
              keepWords="Keep it"
              order={revokeToken(asking.id)}
              onDone={close}
              onCancel={close}
            >
              {asking.name}, {asking.role}: whoever uses it is refused from now on, and signed out.
            </Confirm>
          )}
        </>
      )}
    </Panel>
  );
}

function isOver(row: Token, now: number): boolean {
  return row.revoked_at !== null || (row.expires_at !== null && row.expires_at <= now);
}

function columnsFor(zone: Zone, now: number, onRevoke: (row: Token) => void): Column<Token>[] {
  const at = (instant: number | null, never: string) => (instant === null ? never : formatInstant(instant, zone));
  return [
    {
      name: "Token",
      kind: "wrap",
      cell: (row) => (
        <>
          <div>{row.name}</div>
          <div className="mono muted small break">vgw_{row.id}_…</div>
        </>
      ),
    },
    { name: "Role", cell: (row) => row.role },
    { name: "Projects", kind: "wrap", wideOnly: true, cell: (row) => projectsOf(row.projects) },
    {
      name: "State",
      cell: (row) => {
        if (row.revoked_at !== null) return <Badge tone="neutral">revoked</Badge>;
        return isOver(row, now) ? <Badge tone="neutral">expired</Badge> : <Badge tone="good">active</Badge>;
      },
    },
    { name: "Expires", wideOnly: true, cell: (row) => at(row.expires_at, "never") },
    { name: "Last used", wideOnly: true, cell: (row) => at(row.last_used_at, "never") },
    buttonColumn<Token>({
      words: "Revoke",
      nameOf: (row) => row.name,
      onClick: onRevoke,
      isOffered: (row) => !isOver(row, now),
    }),
  ];
}
