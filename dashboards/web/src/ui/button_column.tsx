// A column of a table with a button in each row, or in those where there is something to do.
import type { Column } from "./table";

export interface ButtonColumn<R> {
  /** On the button; its name for screen readers says of which row. */
  readonly words: string;
  readonly nameOf: (row: R) => string;
  readonly onClick: (row: R) => void;
  readonly isOffered?: (row: R) => boolean;
}

export function buttonColumn<R>({ words, nameOf, onClick, isOffered = () => true }: ButtonColumn<R>): Column<R> {
  return {
    name: words,
    quiet: true,
    cell: (row) =>
      isOffered(row) && (
        <button
          type="button"
          className="button button-small"
          aria-label={`${words}: ${nameOf(row)}`}
          onClick={() => {
            onClick(row);
          }}
        >
          {words}
        </button>
      ),
  };
}
