/** Keys in S3's order, that of their UTF-8 bytes. */
export const compareKeys = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The first place whose key is not before this one. */
export function position(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(sorted[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function insert(sorted: string[], key: string): void {
  const at = position(sorted, key);
  if (sorted[at] !== key) sorted.splice(at, 0, key);
}

export function removeKey(sorted: string[], key: string): void {
  const at = position(sorted, key);
  if (sorted[at] === key) sorted.splice(at, 1);
}
