// The header: the pages, calls, workers, how far the ledger is behind, and whether the page still hears the controller.
import type { LedgerStatus } from "../api/ledger";
import type { Live } from "../api/live";
import { useSession } from "../auth/session";
import { formatCount } from "../lib/format";
import { formatClock, formatDuration, type Zone } from "../lib/time";
import { Badge } from "../ui/badge";
import { Logo } from "../ui/logo";
import type { Polled } from "../ui/state";
import { linkTo, PAGES, type Page } from "./page";

export interface HeaderProps extends ConnectionProps {
  readonly page: Page;
}

interface ConnectionProps {
  readonly live: Polled<Live>;
  readonly ledger: Polled<LedgerStatus>;
  readonly zone: Zone;
}

const UNKNOWN = "–";

export function Header({ page, live, ledger, zone }: HeaderProps) {
  const session = useSession();
  // What was running when the controller was last heard is no answer to what is running now.
  const running = live.error === null ? live.data : undefined;
  const books = ledger.error === null ? ledger.data : undefined;
  return (
    <header className="header">
      <div className="header-row">
        <h1 className="brand">
          <Logo /> VoiceGateway
        </h1>
        <nav className="pages" aria-label="Pages">
          {(Object.keys(PAGES) as (keyof typeof PAGES)[]).map((each) => (
            <a key={each} href={linkTo(each)} aria-current={each === page ? "page" : undefined}>
              {PAGES[each]}
            </a>
          ))}
        </nav>
        <dl className="header-facts">
          <Fact name="Calls live" value={running && formatCount(running.calls)} />
          <Fact name="Processes" value={running && formatCount(running.workers)} />
          <Fact name="Ledger lag" value={books && lagOf(books)} title={books && lagDetail(books)} />
        </dl>
        <Connection live={live} ledger={ledger} zone={zone} />
        <button
          type="button"
          className="button"
          onClick={() => {
            session.signOut(null);
          }}
        >
          Sign out
        </button>
      </div>
    </header>
  );
}

interface FactProps {
  readonly name: string;
  readonly value: string | undefined;
  readonly title?: string | undefined;
}

function Fact({ name, value = UNKNOWN, title }: FactProps) {
  return (
    <div className="fact" title={title}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Connection({ live, ledger, zone }: ConnectionProps) {
  const last = Math.max(live.dataUpdatedAt, ledger.dataUpdatedAt);
  const heard = last > 0 ? formatClock(last, zone, "second") : null;
  // Only the state is announced; a clock read out every two seconds would drown everything else.
  return (
    <span className="badges connection">
      <span role="status">{connectionBadge(live, ledger)}</span>
      {heard !== null && <span className="muted small connection-time">updated {heard}</span>}
    </span>
  );
}

function connectionBadge(live: Polled<Live>, ledger: Polled<LedgerStatus>) {
  const problem = live.error ?? ledger.error;
  if (problem !== null) {
    const isLost = problem.kind === "unreachable";
    return (
      <Badge tone={isLost ? "bad" : "warn"} withDot title={problem.message}>
        {isLost ? "Connection lost" : "Degraded"}
      </Badge>
    );
  }
  if (live.data === undefined) {
    return (
      <Badge tone="neutral" withDot>
        Connecting
      </Badge>
    );
  }
  return (
    <Badge tone="good" withDot title="Figures are asked for every two seconds.">
      Connected
    </Badge>
  );
}

function lagOf(status: LedgerStatus): string {
  if (status.pending_spans === 0) return "none";
  return formatDuration(status.oldest_pending_age_ms ?? 0);
}

function lagDetail(status: LedgerStatus): string {
  return [
    `${formatCount(status.pending_spans)} requests wait to be rated`,
    `${formatCount(status.rated_spans_total)} rated`,
    `${formatCount(status.quarantined_total)} in quarantine`,
    `${formatCount(status.unrated_requests_total)} without a price`,
  ].join("\n");
}
