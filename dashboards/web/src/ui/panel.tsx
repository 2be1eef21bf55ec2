// A card with a heading, its switches, and an answer in one of the states.
import { useId, type ReactNode } from "react";
import { Answer, type AnswerProps } from "./state";

export interface PanelProps<T> extends AnswerProps<T> {
  readonly title: string;
  readonly note?: string;
  readonly controls?: ReactNode;
  readonly isHalf?: boolean;
}

export function Panel<T>({ title, note, controls, isHalf = false, ...answer }: PanelProps<T>) {
  const id = useId();
  return (
    <section className={`card panel${isHalf ? " half" : ""}`} aria-labelledby={id}>
      <div className="panel-head">
        <h2 id={id} className="panel-title">
          {title}
        </h2>
        {note !== undefined && <span className="muted small">{note}</span>}
        {controls !== undefined && <div className="panel-controls">{controls}</div>}
      </div>
      <div className="panel-body">
        <Answer {...answer} />
      </div>
    </section>
  );
}
