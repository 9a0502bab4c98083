/** The ranges of the five fields: minute, hour, day of the month, month, day of the week. */
const ranges = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
] as const;

/** Whether Kubernetes takes this as a CronJob's schedule: five fields of numbers, lists, ranges and steps. */
export function isCron(schedule: string): boolean {
  const fields = schedule.trim().split(/\s+/);
  return (
    fields.length === ranges.length &&
    fields.every((field, index) => field.split(",").every((part) => fits(part, ranges[index] ?? [0, 0])))
  );
}

function fits(part: string, [least, most]: readonly [number, number]): boolean {
  const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
  if (match === null) return false;
  const [from, to, step] = match.slice(1, 4).map((digits) => (digits === undefined ? undefined : Number(digits)));
  const first = from ?? least;
  const last = to ?? from ?? most;
  return first >= least && last <= most && first <= last && (step === undefined || step > 0);
}
