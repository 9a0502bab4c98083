/** Numbers and times as people read them. */

const binary = ["B", "KiB", "MiB", "GiB", "TiB"];
const suffixes: Readonly<Record<string, string>> = {
  ...{ ms: " ms", seconds: " s", minutes: " min", hours: " h", days: " d" },
  "%": " %",
};

/** Three digits that count, however large. */
function number(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  if (Math.abs(value) < 0.001) return "< 0.001";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** @param unit as the dashboard's axis names it */
export function quantity(value: number | null | undefined, unit: string | undefined): string {
  if (value === null || value === undefined) return "–";
  if (unit !== "bytes") return `${number(value)}${suffixes[unit ?? ""] ?? ""}`;
  const power = Math.min(binary.length - 1, Math.floor(Math.log2(Math.max(1, Math.abs(value))) / 10));
  return `${number(value / 1024 ** power)} ${binary[power]}`;
}

/** "2026-11-28 19:04:05", in UTC as everywhere on the page. */
export const time = (iso: string): string => iso.slice(0, 19).replace("T", " ");

/** "4 min", "2 h": of what is over. */
export function age(iso: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
