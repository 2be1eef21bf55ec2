// How one price is shown: what for, how much, since when, by whose word.
import type { Price } from "../api/prices";
import { formatCount } from "../lib/format";
import { publishedAmount, safeAddress } from "../lib/price_filter";
import { formatDay, formatInstant, type Zone } from "../lib/time";
import { Badge } from "../ui/badge";
import type { Column } from "../ui/table";

const LAYER_WORDS: Readonly<Record<string, readonly [word: string, meaning: string]>> = {
  builtin: ["list", "The vendor's list price, shipped with VoiceGateway."],
  managed: ["list, set here", "A list price that was set or imported here; it wins over the shipped one."],
  account: ["contract", "Agreed for a key of the vendor, or for all of them; it wins over the list."],
  project: ["project", "Agreed for one project; it wins over everything else."],
};

export function priceColumns(zone: Zone): Column<Price>[] {
  return [
    {
      name: "Model",
      kind: "wrap",
      cell: (row) => (
        <>
          <div className="break">{row.model}</div>
          <div className="muted small break">{[row.provider, row.modality, row.meter].join(" · ")}</div>
          <Context of={row} />
          <div className="phone-only">
            <Source of={row} />
          </div>
        </>
      ),
    },
    { name: "Layer", wideOnly: true, cell: (row) => <LayerOf of={row} /> },
    { name: "Price", kind: "wrap", cell: (row) => <PriceOf of={row} /> },
    { name: "Holds", wideOnly: true, cell: (row) => <Window of={row} zone={zone} /> },
    { name: "Read at", wideOnly: true, cell: (row) => <Source of={row} /> },
  ];
}

interface Of {
  readonly of: Price;
}

function Context({ of: { when } }: Of) {
  const names = Object.entries(when);
  if (names.length === 0) return null;
  return (
    <span className="badges">
      {names.map(([name, value]) => (
        <Badge key={name} tone="neutral" title={`Where ${name} is ${value}`}>
          {name.replaceAll("_", " ")}: {value}
        </Badge>
      ))}
    </span>
  );
}

function LayerOf({ of }: Of) {
  const [word, meaning] = LAYER_WORDS[of.layer] ?? [of.layer, ""];
  return (
    <>
      <Badge tone="neutral" title={[meaning, of.reason].filter(Boolean).join("\n")}>
        {word}
      </Badge>
      {of.scope !== "" && <div className="muted small break">{of.scope === "*" ? "all keys" : of.scope}</div>}
      {of.overridden_by.length > 0 && (
        <div className="muted small" title={of.overridden_by.join("\n")}>
          overridden
        </div>
      )}
    </>
  );
}

function PriceOf({ of }: Of) {
  const details = [
    of.list_amount !== null && `promotional: the list says ${of.list_amount}`,
    of.discount !== null && `${of.discount} of the list price`,
    of.multiplier !== "1" && `times ${of.multiplier}`,
    of.credit_price !== null &&
      `$${of.credit_price.amount} for ${formatCount(of.credit_price.credits)} credits (${of.credit_price.plan})`,
  ].filter((detail) => detail !== false);
  return (
    <span title={of.note}>
      {publishedAmount(of)}
      {details.map((detail) => (
        <div key={detail} className="muted small">
          {detail}
        </div>
      ))}
      {of.tiers?.steps.map((step) => (
        <div key={step.above} className="muted small">
          above {formatCount(step.above)} {of.tiers?.basis.replaceAll("_", " ")}: {step.amount}
        </div>
      ))}
    </span>
  );
}

function Window({ of, zone }: Of & { readonly zone: Zone }) {
  const { effective_from: from, effective_to: to } = of;
  if (from === null && to === null) return <span className="muted">always</span>;
  return (
    <>
      {from !== null && <div title={formatInstant(from, zone)}>since {dayWithYear(from, zone)}</div>}
      {to !== null && <div title={formatInstant(to, zone)}>until {dayWithYear(to, zone)}</div>}
    </>
  );
}

function dayWithYear(at: number, zone: Zone): string {
  return `${formatDay(at, zone)} ${new Date(at).getUTCFullYear()}`;
}

function Source({ of }: Of) {
  const address = safeAddress(of.source.url);
  return (
    <span className="source small">
      {address === null ? (
        <span className="break">{of.source.url || "no source"}</span>
      ) : (
        <a href={address} target="_blank" rel="noopener noreferrer" title={of.source.url}>
          {new URL(address).hostname}
        </a>
      )}
      {of.source.via !== "" && <span className="muted"> via {of.source.via}</span>}
      <span className="muted"> {of.verified_on}</span>{" "}
      {of.is_stale && (
        <Badge tone="warn" title="Nobody read it at its source for more than 60 days: voicegw prices verify">
          {of.verified_days} days old
        </Badge>
      )}
    </span>
  );
}
