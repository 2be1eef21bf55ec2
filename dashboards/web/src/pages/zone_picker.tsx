// In whose clock the page's times are written.
import { zoneName, type Zone } from "../lib/time";
import { Segmented } from "../ui/segmented";

const ZONES: Readonly<Record<Zone, string>> = { utc: "UTC", local: "Local" };

export interface ZonePickerProps {
  readonly zone: Zone;
  readonly onZone: (zone: Zone) => void;
  /** An instant of the page: the zone's offset is told as of then. */
  readonly now: number;
}

export function ZonePicker({ zone, onZone, now }: ZonePickerProps) {
  return (
    <div className="toolbar toolbar-end">
      <span className="muted small">Times in {zoneName(zone, now)}</span>
      <Segmented label="Time zone" choices={ZONES} value={zone} onChange={onZone} />
    </div>
  );
}
