// What is there on every page: the header, the time zone, and the page that the address names.
import { lazy, Suspense, useState } from "react";
import { ledgerStatusReport } from "../api/ledger";
import { liveReport } from "../api/live";
import { useReport } from "../api/report";
import type { Zone } from "../lib/time";
import { Header } from "./header";
import { Overview } from "./overview";
import { usePage } from "./page";
import { ZonePicker } from "./zone_picker";

// Whoever only looks at the overview does not wait for them.
const Budgets = lazy(() =>
  import("./budgets").then(
    ({ Budgets: page }) => ({ default: page }),
    () => ({ default: Outdated }),
  ),
);
const Providers = lazy(() =>
  import("./providers").then(
    ({ Providers: page }) => ({ default: page }),
    () => ({ default: Outdated }),
  ),
);

export function Frame() {
  const page = usePage();
  // UTC by default: the ledger's days are UTC days, and so are the vendors' invoices.
  const [zone, setZone] = useState<Zone>("utc");
  const live = useReport(liveReport);
  const ledger = useReport(ledgerStatusReport);
  const zonePicker = <ZonePicker zone={zone} onZone={setZone} now={live.dataUpdatedAt} />;
  return (
    <>
      <Header page={page} live={live} ledger={ledger} zone={zone} />
      {page === "overview" ? (
        <Overview live={live} zone={zone} zonePicker={zonePicker} />
      ) : (
        <Suspense fallback={<main className="page" aria-busy="true" />}>
          {page === "budgets" ? (
            <Budgets zone={zone} zonePicker={zonePicker} />
          ) : (
            <Providers zone={zone} zonePicker={zonePicker} />
          )}
        </Suspense>
      )}
    </>
  );
}

/** A tab that was open while the controller was upgraded asks for parts of a page that is gone. */
function Outdated() {
  return (
    <main className="page">
      <div className="card state state-problem" role="alert">
        <p className="state-title">This page could not be loaded.</p>
        <p>Reload: the controller was upgraded since, or cannot be reached.</p>
      </div>
    </main>
  );
}
