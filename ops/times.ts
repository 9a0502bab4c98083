/** Times as people write them on a command line. */
import { Failure } from "./program";

const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/**
 * `2026-11-01`, `2026-11-01T12:00`, `… 12:00+02:00`, or how long ago: `90m`, `36h`, `30d`, `2w`. Without a zone it is UTC:
 * what is asked for must not depend on where it is asked from.
 */
export function parseTime(option: string, text: string, now: Date = new Date()): string {
  const [, amount, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const date = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?)?$/.exec(text);
  const time =
    amount !== undefined && unit !== undefined
      ? new Date(now.getTime() - Number(amount) * (units[unit] ?? NaN))
      : date
        ? new Date(`${date[1]}T${date[2] ?? "00:00"}${date[3] ?? "Z"}`)
        : new Date(NaN);
  // A day that is not in the calendar would otherwise become one of the next month.
  const rolled = date !== null && date[3] === undefined && !time.toJSON()?.startsWith(date[1] ?? "");
  if (Number.isNaN(time.getTime()) || rolled)
    throw new Failure(
      `--${option} is not a time: "${text}" (2026-11-01, 2026-11-01T12:00Z, or 90m, 36h, 30d ago)`,
      [],
      2,
    );
  return time.toISOString();
}
