// Stacked bars of spend over time: the only file that touches Recharts.
import { Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { usdForPixels } from "../lib/money";
import type { Stack, StackRow } from "../lib/series";
import { DAY_MS, formatClock, formatDay, formatInstant, startOfDay, type Zone } from "../lib/time";
import { Amount } from "../ui/amount";
import { Swatch } from "./swatch";

export interface SpendBarsProps {
  readonly stack: Stack;
  /** The colour slot of each series. */
  readonly slots: readonly number[];
  readonly zone: Zone;
  /** One sentence for those who do not see the chart; its numbers are in the legend's table. */
  readonly summary: string;
}

const BAR_WIDTH_PX_MAX = 28;
const TICK_GAP_PX_MIN = 28;
const axisUsd = new Intl.NumberFormat("en-US", {
  style: "currency",
  currency: "USD",
  notation: "compact",
  minimumFractionDigits: 0,
  maximumSignificantDigits: 3,
});

export function SpendBars({ stack, slots, zone, summary }: SpendBarsProps) {
  const rows = [...stack.rows];
  const days = isLongerThanADay(rows) ? firstOfEachDay(rows, zone) : null;
  return (
    <div className="chart" role="group" aria-label={summary}>
      <ResponsiveContainer width="100%" height="100%">
        <BarChart data={rows} margin={{ top: 8, right: 4, bottom: 0, left: 0 }} barCategoryGap="18%">
          <CartesianGrid vertical={false} />
          <XAxis
            dataKey="at"
            {...(days && { ticks: days })}
            tickFormatter={(at: number) => (days ? formatDay(at, zone) : formatClock(at, zone, "minute"))}
            tickLine={days !== null}
            axisLine={false}
            minTickGap={TICK_GAP_PX_MIN}
          />
          <YAxis
            width="auto"
            tickFormatter={(usd: number) => axisUsd.format(usd)}
            tickLine={false}
            axisLine={false}
            tickCount={5}
          />
          <Tooltip
            isAnimationActive={false}
            cursor={{ className: "chart-cursor" }}
            content={({ active, payload }) => {
              const row = payload[0]?.payload as StackRow | undefined;
              return active && row ? <SpendTooltip row={row} stack={stack} slots={slots} zone={zone} /> : null;
            }}
          />
          {stack.series.map((series, index) => (
            <Bar
              key={series.key}
              name={series.key}
              dataKey={(row: StackRow) => {
                const amount = row.amounts[index];
                return amount === undefined ? 0 : usdForPixels(amount);
              }}
              stackId="spend"
              fill={`var(--series-${slots[index] ?? 0})`}
              maxBarSize={BAR_WIDTH_PX_MAX}
              isAnimationActive={false}
            />
          ))}
        </BarChart>
      </ResponsiveContainer>
    </div>
  );
}

interface SpendTooltipProps extends Omit<SpendBarsProps, "summary"> {
  readonly row: StackRow;
}

function SpendTooltip({ row, stack, slots, zone }: SpendTooltipProps) {
  return (
    <div className="tooltip">
      <div className="muted">{formatInstant(row.at, zone)}</div>
      <dl>
        {stack.series.map((series, index) => {
          const amount = row.amounts[index];
          if (amount === undefined || amount === 0n) return null;
          return [
            <dt key={`${series.key} name`}>
              <Swatch slot={slots[index] ?? 0} /> {series.key}
            </dt>,
            <dd key={`${series.key} amount`}>
              <Amount of={amount} />
            </dd>,
          ];
        })}
        <dt className="tooltip-total">Total</dt>
        <dd className="tooltip-total">
          <Amount of={row.total} />
        </dd>
      </dl>
    </div>
  );
}

/** Where a new day begins; the day that was running at the start has no mark of its own. */
function firstOfEachDay(rows: readonly StackRow[], zone: Zone): number[] {
  const starts = rows.map((row) => startOfDay(row.at, zone));
  return rows.filter((_, index) => index > 0 && starts[index] !== starts[index - 1]).map((row) => row.at);
}

function isLongerThanADay(rows: readonly StackRow[]): boolean {
  return (rows.at(-1)?.at ?? 0) - (rows[0]?.at ?? 0) > DAY_MS;
}
