// Asks before a running call is ended, and with which words.
import { useId, useState, type SubmitEvent } from "react";
import { endSession, SENTENCE_CHARS_MAX } from "../api/ending";
import { useOrder } from "../api/order";
import type { SessionRow } from "../api/sessions";
import { Dialog } from "../ui/dialog";

export interface EndCallProps {
  readonly row: SessionRow;
  /** The worker was told; that the call has ended is seen in the list. */
  readonly onTold: () => void;
  readonly onCancel: () => void;
}

export function EndCall({ row, onTold, onCancel }: EndCallProps) {
  const { problem, isBusy, send } = useOrder();
  const [sentence, setSentence] = useState("");
  const id = useId();

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if ((await send(endSession(row.session_id, sentence.trim()))) !== null) onTold();
  }

  return (
    <Dialog title="End this call?" onClose={onCancel}>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <p>
          The agent says goodbye and hangs up.
          <br />
          <span className="muted">
            {[row.project, row.room].filter(Boolean).join(" · ")}
            <br />
            <span className="mono break">{row.session_id}</span>
          </span>
        </p>
        <label htmlFor={id}>What the caller hears, if it should be something else than usual</label>
        <textarea
          id={id}
          rows={2}
          maxLength={SENTENCE_CHARS_MAX}
          value={sentence}
          onChange={(event) => {
            // A line break cannot be spoken.
            setSentence(event.target.value.replaceAll("\n", " "));
          }}
        />
        <p role="alert" className="problem">
          {problem}
        </p>
        <div className="form-actions">
          <button type="button" className="button" onClick={onCancel}>
            Keep it
          </button>
          <button type="submit" className="button button-bad" disabled={isBusy}>
            {isBusy ? "Telling the worker…" : "End call"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
