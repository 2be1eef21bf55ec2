// Asks once more before something is taken away, and says why it was refused.
import type { ReactNode, SubmitEvent } from "react";
import { useOrder } from "../api/order";
import type { Question } from "../api/client";
import { Dialog } from "./dialog";

export interface ConfirmProps {
  readonly title: string;
  readonly children: ReactNode;
  /** On the button that does it, and on the one that does not. */
  readonly words: string;
  readonly keepWords: string;
  readonly order: Question<unknown>;
  readonly onDone: () => void;
  readonly onCancel: () => void;
}

export function Confirm({ title, children, words, keepWords, order, onDone, onCancel }: ConfirmProps) {
  const { problem, isBusy, send } = useOrder();

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if ((await send(order)) !== null) onDone();
  }

  return (
    <Dialog title={title} onClose={onCancel}>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <p>{children}</p>
        <p role="alert" className="problem">
          {problem}
        </p>
        <div className="form-actions">
          <button type="button" className="button" onClick={onCancel}>
            {keepWords}
          </button>
          <button type="submit" className="button button-bad" disabled={isBusy}>
            {words}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
