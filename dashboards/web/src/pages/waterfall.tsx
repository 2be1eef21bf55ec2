// Why the vendor's amount is not ours: a bar for each part, that sum to the difference exactly.
import type { Part, RunTotals } from "../api/reconciliations";
import { plural } from "../lib/format";
import { HARMLESS, MEANINGS, TITLES } from "../lib/reconciliation_words";
import { waterfallOf } from "../lib/waterfall";
import { Badge } from "../ui/badge";
import { Signed } from "../ui/signed";
import { WaterfallBar } from "../ui/waterfall_bar";

export function Waterfall({ report }: { readonly report: RunTotals }) {
  const { parts, difference_usd } = report;
  if (parts.length === 0) return <p className="run-line">The vendor&apos;s amount is ours: no part of it differs.</p>;
  const fall = waterfallOf(parts.map((part) => part.amount_usd));
  return (
    <>
      {fall.sum !== difference_usd && (
        <p role="alert" className="problem">
          The parts sum to <Signed of={fall.sum} />, which is not the difference: run it again and tell us.
        </p>
      )}
      <div className="table-scroll" role="region" aria-label="Why the amounts differ" tabIndex={0}>
        <table className="table falls">
          <caption className="visually-hidden">Why the amounts differ</caption>
          <thead>
            <tr>
              <th scope="col">Part</th>
              <th scope="col" className="wide-only">
                <span className="visually-hidden">Bar</span>
              </th>
              <th scope="col" className="number">
                Amount
              </th>
            </tr>
          </thead>
          <tbody>
            {parts.map((part, index) => {
              const bar = fall.bars[index];
              return (
                <tr key={part.category}>
                  <th scope="row" className="fall-name">
                    <PartName of={part} />
                    {bar !== undefined && (
                      <div className="phone-only">
                        <WaterfallBar bar={bar} zero={fall.zero} tone={toneOf(part)} />
                      </div>
                    )}
                  </th>
                  <td className="wide-only fall-cell">
                    {bar !== undefined && <WaterfallBar bar={bar} zero={fall.zero} tone={toneOf(part)} />}
                  </td>
                  <td className="number">
                    <Signed of={part.amount_usd} />
                    <div className="muted small">{plural(part.cells, "cell")}</div>
                  </td>
                </tr>
              );
            })}
          </tbody>
          <tfoot>
            <tr>
              <td>Difference</td>
              <td className="wide-only fall-cell">
                <WaterfallBar bar={fall.whole} zero={fall.zero} tone="whole" />
              </td>
              <td className="number">
                <Signed of={fall.sum} />
              </td>
            </tr>
          </tfoot>
        </table>
      </div>
    </>
  );
}

function PartName({ of }: { readonly of: Part }) {
  return (
    <>
      {TITLES[of.category] ?? of.category}{" "}
      {HARMLESS.has(of.category) ? (
        <Badge tone="neutral" title="As it should be: neither the books nor the bill are wrong.">
          no drift
        </Badge>
      ) : (
        of.confidence !== "certain" && <Badge tone="warn">{of.confidence}</Badge>
      )}
      <div className="muted small">{MEANINGS[of.category]}</div>
    </>
  );
}

function toneOf({ category, amount_usd }: Part) {
  if (HARMLESS.has(category)) return "calm";
  return amount_usd > 0n ? "more" : "less";
}
