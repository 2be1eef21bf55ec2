// The trial balance: the same money summed from two tables, and whether the two agree.
import { useId, useState } from "react";
import { balanceReport, type Account, type Month, type TrialBalance } from "../api/books";
import { useReport } from "../api/report";
import type { Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Badge } from "../ui/badge";
import { Panel } from "../ui/panel";
import { Signed } from "../ui/signed";
import { Table, type Column } from "../ui/table";

export interface BalancePanelProps {
  readonly months: readonly Month[];
  readonly zone: Zone;
}

const ALL = "all";

export function BalancePanel({ months, zone }: BalancePanelProps) {
  const [chosen, setChosen] = useState<string | null>(null);
  const id = useId();
  const newest = months[0]?.month;
  const of = chosen ?? newest ?? null;
  return (
    <BalanceOf
      of={of === ALL ? null : of}
      zone={zone}
      controls={
        <>
          <label htmlFor={id} className="muted small">
            Month
          </label>
          <select
            id={id}
            className="select"
            value={of ?? ALL}
            onChange={(event) => {
              setChosen(event.target.value);
            }}
          >
            {months.map(({ month }) => (
              <option key={month} value={month}>
                {month}
              </option>
            ))}
            <option value={ALL}>All</option>
          </select>
        </>
      }
    />
  );
}

interface BalanceOfProps {
  readonly of: string | null;
  readonly zone: Zone;
  readonly controls: React.ReactNode;
}

function BalanceOf({ of, zone, controls }: BalanceOfProps) {
  const balance = useReport(balanceReport(of));
  return (
    <Panel
      title="Trial balance"
      what="the trial balance"
      polled={balance}
      zone={zone}
      isEmpty={(data) => data.accounts.length === 0}
      empty={{ title: "No account has moved", hint: "Make a call, or choose another month." }}
      controls={controls}
      isHalf
    >
      {(data) => (
        <>
          <p className="panel-line">
            <Verdict of={data} />
          </p>
          <Table caption="Accounts" columns={columnsFor(data)} rows={data.accounts} rowKey={(row) => row.name} />
        </>
      )}
    </Panel>
  );
}

function Verdict({ of }: { readonly of: TrialBalance }) {
  if (of.difference_usd === 0n) {
    return (
      <Badge tone="good" withDot>
        balanced
      </Badge>
    );
  }
  return (
    <>
      <Badge tone="bad" withDot>
        does not balance
      </Badge>{" "}
      debit and credit differ by <Signed of={of.difference_usd} />: run <code>voicegw ledger verify</code>.
    </>
  );
}

function columnsFor(of: TrialBalance): Column<Account>[] {
  return [
    { name: "Account", kind: "wrap", total: "Total", cell: (row) => <span className="break">{row.name}</span> },
    {
      name: "Debit",
      kind: "number",
      wideOnly: true,
      total: <Amount of={of.debit_usd} />,
      cell: (row) => <Amount of={row.debit_usd} />,
    },
    {
      name: "Credit",
      kind: "number",
      wideOnly: true,
      total: <Amount of={of.credit_usd} />,
      cell: (row) => <Amount of={row.credit_usd} />,
    },
    {
      name: "Balance",
      kind: "number",
      total: <Signed of={of.difference_usd} />,
      cell: (row) => <Signed of={row.balance_usd} />,
    },
  ];
}
