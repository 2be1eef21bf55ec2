// The books' page: do they agree with the vendors' bills, are they closed, do they balance, what was corrected.
import { monthsReport } from "../api/books";
import { useReport } from "../api/report";
import "../ui/books.css";
import { BalancePanel } from "./balance_panel";
import { CorrectionsPanel } from "./corrections_panel";
import type { PageProps } from "./frame";
import { MonthsPanel } from "./months_panel";
import { linkTo, useNamed } from "./page";
import { ReconciliationsPanel } from "./reconciliations_panel";
import { RunView } from "./run_view";
import { ValidationPanel } from "./validation_panel";

export function Books({ zone, zonePicker }: PageProps) {
  const number = useNamed();
  const months = useReport(monthsReport);
  const isForbidden = months.error?.kind === "forbidden";
  const isOne = number !== "" && !isForbidden;
  return (
    <main className="page books">
      <div className="toolbar">
        {isOne ? (
          <a href={linkTo("books")}>← All of the books</a>
        ) : (
          <span className="muted small">Months and days are UTC, as those of vendors&apos; bills are.</span>
        )}
        {zonePicker}
      </div>
      {isForbidden && (
        <div className="card state" role="alert">
          <p className="state-title">The books are the whole organisation&apos;s.</p>
          <p>
            This token reaches some projects only. Ask for one that reaches all of them to see reconciliations, months
            and corrections; what your own projects were counted at stands below.
          </p>
        </div>
      )}
      {isOne && <RunView key={number} number={number} zone={zone} />}
      {!isOne && !isForbidden && (
        <>
          <ReconciliationsPanel zone={zone} />
          <MonthsPanel months={months} zone={zone} />
          <BalancePanel months={months.data?.periods ?? []} zone={zone} />
          <CorrectionsPanel zone={zone} />
        </>
      )}
      {!isOne && <ValidationPanel zone={zone} />}
    </main>
  );
}
