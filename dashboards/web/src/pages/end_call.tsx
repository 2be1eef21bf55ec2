// Asks before a running call is ended, and with which words.
import { useId, useState, type SubmitEvent } from "react";
import { ApiProblem, ask } from "../api/client";
import { endSession, SENTENCE_CHARS_MAX } from "../api/ending";
import type { SessionRow } from "../api/sessions";
import { useSession } from "../auth/session";
import { Dialog } from "../ui/dialog";

export interface EndCallProps {
  readonly row: SessionRow;
  /** The worker was told; that the call has ended is seen in the list. */
  readonly onTold: () => void;
  readonly onCancel: () => void;
}

export function EndCall({ row, onTold, onCancel }: EndCallProps) {
  const { token, signOut } = useSession();
  const [sentence, setSentence] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isTelling, setTelling] = useState(false);
  const id = useId();

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    setTelling(true);
    setProblem(null);
    try {
      await ask(endSession(row.session_id, sentence.trim()), token);
      onTold();
    } catch (cause) {
      if (!(cause instanceof ApiProblem)) throw cause;
      if (cause.kind === "unauthorized") signOut(cause.message);
      setProblem(cause.message);
      setTelling(false);
    }
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
          <button type="submit" className="button button-bad" disabled={isTelling}>
            {isTelling ? "Telling the worker…" : "End call"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
