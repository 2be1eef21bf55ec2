// The budgets' page: how each stands, what projects will come to, and what somebody was told.
import type { ReactNode } from "react";
import { budgetsReport } from "../api/budgets";
import { useReport } from "../api/report";
import type { Zone } from "../lib/time";
import "../ui/budgets.css";
import { AlertsPanel } from "./alerts_panel";
import { BudgetsPanel } from "./budgets_panel";
import { ProjectsPanel } from "./projects_panel";

export interface BudgetsProps {
  readonly zone: Zone;
  readonly zonePicker: ReactNode;
}

export function Budgets({ zone, zonePicker }: BudgetsProps) {
  const status = useReport(budgetsReport);
  return (
    <main className="page budgets">
      <div className="toolbar">
        <span className="muted small">Windows begin and end by each budget&apos;s own clock.</span>
        {zonePicker}
      </div>
      <BudgetsPanel status={status} zone={zone} />
      <ProjectsPanel status={status} zone={zone} />
      <AlertsPanel zone={zone} />
    </main>
  );
}
