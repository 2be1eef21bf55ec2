// The controller's clock: a laptop that is minutes off must not hide the latest minutes of spend.

// The Date header counts whole seconds and the answer travels; less than this is not a wrong clock.
const SKEW_NOTICED_MS = 3_000;

let skewMs = 0;

/** Note what time it was at the controller when it answered; an absent or odd header changes nothing. */
export function noteAnswer(headers: Headers, receivedAt: number): void {
  const date = Date.parse(headers.get("Date") ?? "");
  if (Number.isNaN(date)) return;
  const skew = date - receivedAt;
  skewMs = Math.abs(skew) < SKEW_NOTICED_MS ? 0 : skew;
}

/** The controller's time at an instant of this browser's clock. */
export function atController(browserTime: number): number {
  return browserTime + skewMs;
}
