// Asks before a vendor, or one of its models, is switched off: how much of it, and for how long.
import { useState, type SubmitEvent } from "react";
import { useOrder } from "../api/order";
import { switchOff, type Target } from "../api/providers";
import { Dialog } from "../ui/dialog";
import { Segmented } from "../ui/segmented";

export interface SwitchOffProps {
  readonly target: Target;
  readonly onDone: () => void;
  readonly onCancel: () => void;
}

const TIMES = { hour: "1 hour", day: "1 day", open: "Until switched on" } as const;
const SECONDS: Readonly<Record<keyof typeof TIMES, number | null>> = { hour: 3_600, day: 86_400, open: null };

export function SwitchOff({ target, onDone, onCancel }: SwitchOffProps) {
  const { problem, isBusy, send } = useOrder();
  const [part, setPart] = useState<"model" | "vendor">(target.model === "" ? "vendor" : "model");
  const [time, setTime] = useState<keyof typeof TIMES>("hour");

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if ((await send(switchOff(target.provider, part === "model" ? target.model : "", SECONDS[time]))) !== null) onDone();
  }

  return (
    <Dialog title="Switch it off?" onClose={onCancel}>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <p>
          No worker asks it any more, from its next message on.
          <br />
          <span className="muted">Calls go on with another model where they have one, and fail where not.</span>
        </p>
        {target.model !== "" && (
          <Segmented
            label="What"
            choices={{ model: target.model, vendor: `Everything of ${target.provider}` }}
            value={part}
            onChange={setPart}
          />
        )}
        <Segmented label="For how long" choices={TIMES} value={time} onChange={setTime} />
        <p role="alert" className="problem">
          {problem}
        </p>
        <div className="form-actions">
          <button type="button" className="button" onClick={onCancel}>
            Keep it on
          </button>
          <button type="submit" className="button button-bad" disabled={isBusy}>
            {isBusy ? "Switching…" : "Switch off"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
