// Times by the clocks of a place: a budget's day begins and ends by its own.

const formatters = new Map<string, Intl.DateTimeFormat>();

/** "Sun 22 Nov, 00:00" by the clocks of an IANA zone; UTC's, and saying so, where the browser does not know the zone. */
export function formatWallClock(at: number, timeZone: string): string {
  const known = formatterOf(timeZone);
  return known === null ? `${formatterOf("UTC")?.format(at) ?? ""} UTC` : known.format(at);
}

function formatterOf(timeZone: string): Intl.DateTimeFormat | null {
  let made = formatters.get(timeZone);
  if (made === undefined) {
    try {
      made = new Intl.DateTimeFormat("en-GB", {
        weekday: "short",
        day: "numeric",
        month: "short",
        hour: "2-digit",
        minute: "2-digit",
        hourCycle: "h23",
        timeZone,
      });
    } catch (cause) {
      if (cause instanceof RangeError) return null;
      throw cause;
    }
    formatters.set(timeZone, made);
  }
  return made;
}
