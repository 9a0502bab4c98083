/** Lines people can read: columns as wide as what is in them, the last one cut to the terminal. */

export interface Column<Row> {
  title: string;
  /** What is shown of a row; control characters are made visible, for what agents sent must not drive a terminal. */
  value: (row: Row) => string | null;
  /** Longest it may get. Default: no limit. */
  most?: number;
}

/** Control and direction-changing characters, which a terminal would obey. */
// eslint-disable-next-line no-control-regex
const unsafe = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export const printable = (text: string): string => text.replace(unsafe, "·");

export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width?: number): string {
  const cells = rows.map((row) =>
    columns.map(({ value, most }) =>
      cut(
        printable(value(row) ?? "")
          .replace(/\s+/g, " ")
          .trim(),
        most,
      ),
    ),
  );
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => length(row[i] ?? ""))));
  const line = (row: readonly string[]) => {
    const text = row
      .map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - length(cell)))
      .join("  ")
      .trimEnd();
    return cut(text, width);
  };
  return [line(columns.map(({ title }) => title)), line(widths.map((w) => "─".repeat(w))), ...cells.map(line)]
    .map((text) => `${text}\n`)
    .join("");
}

const length = (text: string): number => [...text].length;

function cut(text: string, most: number | undefined): string {
  const characters = [...text];
  return most === undefined || characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}
