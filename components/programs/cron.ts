/** Least and most of the five fields, minute to day of the week, and the names that stand for numbers in the last two. */
const fields: readonly { range: readonly [number, number]; names?: string; first?: number }[] = [
  { range: [0, 59] },
  { range: [0, 23] },
  { range: [1, 31] },
  { range: [1, 12], names: "jan feb mar apr may jun jul aug sep oct nov dec", first: 1 },
  { range: [0, 6], names: "sun mon tue wed thu fri sat", first: 0 },
];

const words = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/**
 * Whether Kubernetes takes this as a CronJob's schedule: the grammar of robfig/cron v3's ParseStandard, by which the API server
 * checks it. The cron libraries of npm take more (seconds, L, W, #, 7 for Sunday) or less, and the API server would refuse
 * halfway through a deployment what they had let pass. But for `@every`, which that parser knows and the documentation of
 * CronJobs does not: it counts from the last run, so nobody could say when one is due.
 */
export function isCron(schedule: string): boolean {
  if (schedule.startsWith("@")) return words.includes(schedule);
  const parts = schedule.trim().split(/\s+/);
  return parts.length === fields.length && parts.every((field, i) => field.split(",").every((part) => fits(part, i)));
}

function fits(part: string, index: number): boolean {
  const { range, names, first = 0 } = fields[index]!;
  const match = /^(?:[*?]|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part);
  if (match === null) return false;
  const number = (text: string) =>
    /^\d+$/.test(text) ? Number(text) : first + (names?.split(" ").indexOf(text.toLowerCase()) ?? -1);
  const [least, most] = range;
  const from = match[1] === undefined ? least : number(match[1]);
  const to = match[2] === undefined ? (match[1] === undefined ? most : from) : number(match[2]);
  return from >= least && to <= most && from <= to && (match[3] === undefined || Number(match[3]) > 0);
}
