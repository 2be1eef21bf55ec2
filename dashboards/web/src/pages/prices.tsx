// The prices' page: what is charged for what, by which layer, where that was read, and what was not read of late.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { ask, type ApiProblem } from "../api/client";
import { PAGES_MAX, pricesQuestion, type Price } from "../api/prices";
import { useSession } from "../auth/session";
import { formatCount } from "../lib/format";
import { NO_FILTER, filterPrices, LAYERS, type PriceFilter } from "../lib/price_filter";
import { Panel } from "../ui/panel";
import "../ui/prices.css";
import { Segmented } from "../ui/segmented";
import { Table } from "../ui/table";
import type { PageProps } from "./frame";
import { linkTo } from "./page";
import { priceColumns } from "./price_columns";

// Prices change a few times a year; a page that is left open shows a change all the same.
const PRICES_EVERY_MS = 300_000;
// So many rows are drawn without a pause; people who look for one type its name.
const ROWS_SHOWN = 150;

interface AllPrices {
  readonly version: string;
  readonly prices: readonly Price[];
  readonly total: number;
}

export function Prices({ zone, zonePicker }: PageProps) {
  const polled = useAllPrices();
  const [filter, setFilter] = useState<PriceFilter>(NO_FILTER);
  const [shownMax, setShownMax] = useState(ROWS_SHOWN);
  const prices = polled.data?.prices ?? [];
  const found = filterPrices(prices, filter);
  const change = (changed: Partial<PriceFilter>) => {
    setFilter({ ...filter, ...changed });
    setShownMax(ROWS_SHOWN);
  };
  return (
    <main className="page prices">
      <div className="toolbar">
        <Filters prices={prices} filter={filter} onChange={change} />
        {zonePicker}
      </div>
      <p className="muted small">
        As published, for the unit that the vendor names. Models that were used and have no price stand on the{" "}
        <a href={linkTo("overview")}>overview</a> as unrated.
      </p>
      <Panel
        title="Prices"
        note={polled.data === undefined ? "that hold now" : noteOf(polled.data, found.length)}
        what="the prices"
        polled={polled}
        zone={zone}
        isEmpty={() => found.length === 0}
        empty={{
          title: "No price is like that",
          hint: (
            <>
              Ask for less above, or set one: <code>voicegw prices set</code>
            </>
          ),
        }}
      >
        {() => (
          <>
            <Table
              caption="Prices that hold"
              columns={priceColumns(zone)}
              rows={found.slice(0, shownMax)}
              rowKey={(row) => `${row.price_id}/${row.layer}/${row.scope}`}
            />
            {found.length > shownMax && (
              <p className="more">
                <button
                  type="button"
                  className="button"
                  onClick={() => {
                    setShownMax(found.length);
                  }}
                >
                  Show the other {formatCount(found.length - shownMax)}
                </button>
              </p>
            )}
          </>
        )}
      </Panel>
    </main>
  );
}

function noteOf({ prices, total }: AllPrices, found: number): string {
  const of = found === prices.length ? formatCount(found) : `${formatCount(found)} of ${formatCount(prices.length)}`;
  return prices.length < total ? `${of}; ${formatCount(total - prices.length)} more: voicegw prices list` : of;
}

interface FiltersProps {
  readonly prices: readonly Price[];
  readonly filter: PriceFilter;
  readonly onChange: (changed: Partial<PriceFilter>) => void;
}

function Filters({ prices, filter, onChange }: FiltersProps) {
  const id = useId();
  const providers = [...new Set(prices.map(({ provider }) => provider))].sort();
  return (
    <>
      <label className="visually-hidden" htmlFor={`${id}-provider`}>
        Provider
      </label>
      <select
        id={`${id}-provider`}
        className="select"
        value={filter.provider}
        onChange={(event) => {
          onChange({ provider: event.target.value });
        }}
      >
        <option value="">All providers</option>
        {providers.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
      <label className="visually-hidden" htmlFor={`${id}-text`}>
        Model or meter
      </label>
      <input
        id={`${id}-text`}
        className="select"
        type="search"
        placeholder="Model or meter"
        value={filter.text}
        onChange={(event) => {
          onChange({ text: event.target.value });
        }}
      />
      <Segmented
        label="Layer"
        choices={LAYERS}
        value={filter.layer}
        onChange={(layer) => {
          onChange({ layer });
        }}
      />
      <label className="check">
        <input
          type="checkbox"
          checked={filter.isStale}
          onChange={(event) => {
            onChange({ isStale: event.target.checked });
          }}
        />
        Not read for 60 days
      </label>
    </>
  );
}

/** All pages, one after the other. */
function useAllPrices() {
  const { csrf } = useSession();
  return useQuery<AllPrices, ApiProblem>({
    queryKey: ["prices"],
    queryFn: async ({ signal }) => {
      let page = await ask(pricesQuestion(null), csrf, signal);
      const prices = [...page.prices];
      for (let pages = 1; page.next !== null && pages < PAGES_MAX; pages++) {
        page = await ask(pricesQuestion(page.next), csrf, signal);
        prices.push(...page.prices);
      }
      return { version: page.version, prices, total: page.total };
    },
    placeholderData: keepPreviousData,
    refetchInterval: PRICES_EVERY_MS,
  });
}
