// A table in a region that scrolls by itself and can be reached by keyboard.
import type { ReactNode } from "react";

export interface Column<R> {
  readonly name: string;
  readonly cell: (row: R) => ReactNode;
  readonly kind?: "text" | "number" | "wrap";
  /** Left out on a phone. */
  readonly wideOnly?: boolean;
  /** The cell of the totals row. */
  readonly total?: ReactNode;
  /** The name is for screen readers only. */
  readonly quiet?: boolean;
}

export interface TableProps<R> {
  readonly caption: string;
  readonly columns: readonly Column<R>[];
  readonly rows: readonly R[];
  readonly rowKey: (row: R) => string;
}

/** The first column names the row. */
export function Table<R>({ caption, columns, rows, rowKey }: TableProps<R>) {
  const hasTotals = columns.some((column) => column.total !== undefined);
  return (
    <div className="table-scroll" role="region" aria-label={caption} tabIndex={0}>
      <table className="table">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" className={classOf(column)}>
                {column.quiet === true ? <span className="visually-hidden">{column.name}</span> : column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((column, index) =>
                index === 0 ? (
                  <th key={column.name} scope="row" className={classOf(column)}>
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.name} className={classOf(column)}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
        {hasTotals && (
          <tfoot>
            <tr>
              {columns.map((column) => (
                <td key={column.name} className={classOf(column)}>
                  {column.total}
                </td>
              ))}
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}

function classOf<R>(column: Column<R>): string {
  const kind = column.kind ?? "text";
  return [kind === "text" ? "" : kind, column.wideOnly === true ? "wide-only" : ""].join(" ").trim();
}
