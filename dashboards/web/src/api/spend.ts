// Spend over time, by minute or by hour.
import { chartWindow, toRfc3339, type Bucket, type Period, type Window, type Zone } from "../lib/time";
import type { SpendPoint } from "../lib/series";
import type { Dimension } from "./costs";
import { groupKey, instant, listOf, shape, usd, type Decoder } from "./decode";
import type { Report } from "./report";

/** The points of a window, with the window and the bucket they were asked for: the chart's axis. */
export interface Spend {
  readonly bucket: Bucket;
  readonly window: Window;
  readonly points: readonly SpendPoint[];
}

const spendAnswer = shape({ points: listOf(shape({ at: instant, key: groupKey, amount_usd: usd })) });

export function spendReport(by: Dimension, bucket: Bucket, period: Period, zone: Zone): Report<Spend> {
  // Minutes always cover the last hour, so the period does not tell two such reports apart.
  const scope = bucket === "minute" ? [] : [period, zone];
  return {
    key: ["spend", by, bucket, ...scope],
    question: (now) => {
      const window = chartWindow(bucket, period, now, zone);
      return {
        path: "spend",
        query: { by, bucket, since: toRfc3339(window.since), until: toRfc3339(window.until) },
        decode: spendIn(window, bucket),
      };
    },
  };
}

function spendIn(window: Window, bucket: Bucket): Decoder<Spend> {
  return (value, place) => {
    const { points } = spendAnswer(value, place);
    return { bucket, window, points: points.map(({ at, key, amount_usd }) => ({ at, key, amount: amount_usd })) };
  };
}
