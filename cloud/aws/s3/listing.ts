/** Lists in pages: what begins with a prefix, and, with a delimiter, what comes up to it as one. */
import { position } from "./keys";

export interface ListOptions {
  prefix: string;
  delimiter: string;
  /** Keys up to this one are passed over. */
  after: string;
  max: number;
}

export interface Page<T> {
  items: T[];
  prefixes: string[];
  /** The last key or prefix of a page that is not the last. */
  next: { key: string; item?: T } | undefined;
}

/** @param itemsOf what a key has to list; an empty list where it is to be passed over */
export function page<T>(
  keys: readonly string[],
  options: ListOptions,
  itemsOf: (key: string) => readonly T[],
): Page<T> {
  const { prefix, delimiter, after, max } = options;
  const found: Page<T> = { items: [], prefixes: [], next: undefined };
  let last: Page<T>["next"];
  let count = 0;
  const full = () => count >= max;
  for (let at = position(keys, after > prefix ? after : prefix); at < keys.length; at++) {
    const key = keys[at]!;
    if (!key.startsWith(prefix)) break;
    const items = itemsOf(key);
    if (items.length === 0) continue;
    const group = groupOf(key, prefix, delimiter);
    if (group !== undefined) {
      if (group === found.prefixes.at(-1) || (after !== "" && after.startsWith(group))) continue;
      if (full()) return { ...found, next: max === 0 ? undefined : last };
      found.prefixes.push(group);
      last = { key: group };
      count++;
      continue;
    }
    for (const item of items) {
      if (full()) return { ...found, next: max === 0 ? undefined : last };
      found.items.push(item);
      last = { key, item };
      count++;
    }
  }
  return found;
}

function groupOf(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === "") return undefined;
  const end = key.indexOf(delimiter, prefix.length);
  return end < 0 ? undefined : key.slice(0, end + delimiter.length);
}
