// A question before all else. The browser's own dialog keeps the focus inside and closes on Escape.
import { useEffect, useId, useRef, type ReactNode } from "react";

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** Open for as long as it is drawn. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    // Effects run twice in development, and an open dialog cannot be opened.
    if (dialog.current?.open === false) dialog.current.showModal();
  }, []);
  return (
    <dialog ref={dialog} className="card dialog" aria-labelledby={id} onClose={onClose}>
      <h2 id={id} className="panel-title">
        {title}
      </h2>
      {children}
    </dialog>
  );
}
