// Who is signed in at a dashboard, and ending a session.
import { useState } from "react";
import { endSignIn, signInsReport, type SignIn } from "../api/administration";
import { useReport } from "../api/report";
import { formatInstant, type Zone } from "../lib/time";
import { Badge } from "../ui/badge";
import { buttonColumn } from "../ui/button_column";
import { Confirm } from "../ui/confirm";
import { Panel } from "../ui/panel";
import { projectsOf } from "../ui/projects_of";
import { Table, type Column } from "../ui/table";

export function SignInsPanel({ zone }: { readonly zone: Zone }) {
  const signIns = useReport(signInsReport);
  const [asking, setAsking] = useState<SignIn | null>(null);

  function close() {
    setAsking(null);
    void signIns.refetch();
  }

  return (
    <Panel
      title="Signed in"
      note="at a dashboard"
      what="who is signed in"
      polled={signIns}
      zone={zone}
      isEmpty={(data) => data.sign_ins.length === 0}
      empty={{ title: "Nobody is signed in", hint: "Sessions of this page are listed here." }}
    >
      {(data) => (
        <>
          <Table
            caption="Sessions of dashboards"
            columns={columnsFor(zone, setAsking)}
            rows={data.sign_ins}
            rowKey={(row) => row.id}
          />
          {asking !== null && (
            <Confirm
              title="End this session?"
              words="End it"
              keepWords="Leave it"
              order={endSignIn(asking.id)}
              onDone={close}
              onCancel={close}
            >
              {asking.name} has to sign in again{asking.is_current && ": this is the session you are in"}.
            </Confirm>
          )}
        </>
      )}
    </Panel>
  );
}

function columnsFor(zone: Zone, onEnd: (row: SignIn) => void): Column<SignIn>[] {
  const at = (instant: number | null) => (instant === null ? "–" : formatInstant(instant, zone));
  return [
    {
      name: "Who",
      kind: "wrap",
      cell: (row) => (
        <>
          {row.name} {row.is_current && <Badge tone="good">you</Badge>}
        </>
      ),
    },
    { name: "Role", cell: (row) => row.role },
    { name: "Projects", kind: "wrap", wideOnly: true, cell: (row) => projectsOf(row.projects) },
    { name: "Since", wideOnly: true, cell: (row) => at(row.created_at) },
    { name: "Last seen", wideOnly: true, cell: (row) => at(row.last_seen_at) },
    { name: "Ends", wideOnly: true, cell: (row) => at(row.expires_at) },
    buttonColumn<SignIn>({ words: "End", nameOf: (row) => row.name, onClick: onEnd }),
  ];
}
