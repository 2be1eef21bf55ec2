// What is there on every page: the header, the time zone, and the page that the address names.
import { lazy, Suspense, useState, type ComponentType, type ReactNode } from "react";
import { ledgerStatusReport } from "../api/ledger";
import { liveReport } from "../api/live";
import { useReport } from "../api/report";
import type { Zone } from "../lib/time";
import { Header } from "./header";
import { Overview } from "./overview";
import { usePage } from "./page";
import { ZonePicker } from "./zone_picker";

// Whoever only looks at the overview does not wait for them.
const LATER = {
  budgets: later(() => import("./budgets").then(({ Budgets }) => Budgets)),
  providers: later(() => import("./providers").then(({ Providers }) => Providers)),
  fleet: later(() => import("./fleet").then(({ Fleet }) => Fleet)),
  books: later(() => import("./books").then(({ Books }) => Books)),
  prices: later(() => import("./prices").then(({ Prices }) => Prices)),
  admin: later(() => import("./admin").then(({ Admin }) => Admin)),
  call: later(() => import("./call").then(({ Call }) => Call)),
};

/** What every page but the overview is given. */
export interface PageProps {
  readonly zone: Zone;
  readonly zonePicker: ReactNode;
}

function later(load: () => Promise<ComponentType<PageProps>>) {
  return lazy<ComponentType<PageProps>>(() =>
    load().then(
      (page) => ({ default: page }),
      () => ({ default: Outdated }),
    ),
  );
}

export function Frame() {
  const page = usePage();
  // UTC by default: the ledger's days are UTC days, and so are the vendors' invoices.
  const [zone, setZone] = useState<Zone>("utc");
  const live = useReport(liveReport);
  const ledger = useReport(ledgerStatusReport);
  const zonePicker = <ZonePicker zone={zone} onZone={setZone} now={live.dataUpdatedAt} />;
  const Later = page === "overview" ? null : LATER[page];
  return (
    <>
      <Header page={page} live={live} ledger={ledger} zone={zone} />
      {Later === null ? (
        <Overview live={live} zone={zone} zonePicker={zonePicker} />
      ) : (
        <Suspense fallback={<main className="page" aria-busy="true" />}>
          <Later zone={zone} zonePicker={zonePicker} />
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
