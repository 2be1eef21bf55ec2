// What of the configuration is wrong, who changed it, and the way back to an earlier version.
import { useState } from "react";
import { configStatusReport, configVersionsReport, rollBack, type ConfigVersion } from "../api/administration";
import { useReport } from "../api/report";
import { useSession } from "../auth/session";
import { formatInstant, type Zone } from "../lib/time";
import { buttonColumn } from "../ui/button_column";
import { Confirm } from "../ui/confirm";
import { Panel } from "../ui/panel";
import { Table, type Column } from "../ui/table";

export function ConfigPanel({ zone }: { readonly zone: Zone }) {
  const status = useReport(configStatusReport);
  const versions = useReport(configVersionsReport);
  const { visitor } = useSession();
  const [asking, setAsking] = useState<ConfigVersion | null>(null);
  const mayChange = visitor.role !== "viewer" && visitor.projects === null;
  const problems = status.data?.problems ?? [];

  function close() {
    setAsking(null);
    void versions.refetch();
  }

  return (
    <Panel
      title="Configuration"
      note="environment over what is managed over voicegw.yaml"
      what="the versions of the configuration"
      polled={versions}
      zone={zone}
      isEmpty={(data) => data.versions.length === 0 && problems.length === 0}
      empty={{ title: "Nothing was configured yet", hint: "voicegw init writes a file; voicegw config apply declares it." }}
    >
      {(data) => (
        <>
          {problems.length > 0 && (
            <ul className="config-problems problem" role="alert">
              {problems.map(({ layer, kind, place, problem }) => (
                <li key={`${layer}/${kind}/${place}`}>
                  {[layer, kind, place].filter(Boolean).join(" · ")}: {problem}
                </li>
              ))}
            </ul>
          )}
          <Table
            caption="Versions of the configuration"
            columns={columnsFor(zone, data.versions[0]?.number ?? 0, mayChange ? setAsking : null)}
            rows={data.versions}
            rowKey={(row) => String(row.number)}
          />
          {asking !== null && (
            <Confirm
              title={`Back to version ${asking.number}?`}
              words="Roll back"
              keepWords="Leave it as it is"
              order={rollBack(asking.number)}
              onDone={close}
              onCancel={close}
            >
              What was managed then is declared again, as a new version, and holds everywhere within two seconds. The
              file and the environment stay as they are.
            </Confirm>
          )}
        </>
      )}
    </Panel>
  );
}

function columnsFor(
  zone: Zone,
  newest: number,
  onAsk: ((row: ConfigVersion) => void) | null,
): Column<ConfigVersion>[] {
  return [
    { name: "Version", cell: (row) => String(row.number) },
    { name: "What", kind: "wrap", cell: (row) => row.summary || row.kinds.join(", ") },
    { name: "Layer", wideOnly: true, cell: (row) => row.layer },
    { name: "When", wideOnly: true, cell: (row) => formatInstant(row.at, zone) },
    { name: "Who", kind: "wrap", wideOnly: true, cell: (row) => <span className="mono">{row.actor}</span> },
    ...(onAsk === null
      ? []
      : [
          buttonColumn<ConfigVersion>({
            words: "Roll back",
            nameOf: (row) => `to version ${row.number}`,
            onClick: onAsk,
            isOffered: (row) => row.number !== newest,
          }),
        ]),
  ];
}
