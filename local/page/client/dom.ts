/** Elements made of text: what agents sent is never read as markup. */
type Child = Node | string | undefined | false;

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string | undefined>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== undefined && child !== false));
  return made;
}

export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as Type;
}

/** Changes text only where it is another: a live region speaks of each change. */
export function say(where: HTMLElement, text: string): void {
  if (where.textContent !== text) where.textContent = text;
}

export interface TableColumn<Row> {
  title: string;
  cell: (row: Row) => Child;
  /** Numbers are read along their right edge. */
  number?: true;
}

/** @param caption what a screen reader calls it */
export function table<Row>(
  caption: string,
  columns: readonly TableColumn<Row>[],
  rows: readonly Row[],
): HTMLTableElement {
  const classOf = ({ number }: TableColumn<Row>) => (number ? "number" : undefined);
  const head = columns.map((column) => element("th", { scope: "col", class: classOf(column) }, column.title));
  const body = rows.map((row) =>
    element(
      "tr",
      {},
      ...columns.map((column, place) =>
        place === 0
          ? element("th", { scope: "row" }, column.cell(row))
          : element("td", { class: classOf(column), "data-title": column.title }, column.cell(row)),
      ),
    ),
  );
  return element(
    "table",
    {},
    element("caption", { class: "unseen" }, caption),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...body),
  );
}
