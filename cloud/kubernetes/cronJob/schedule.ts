/** A CronJob's schedule: written as Kubernetes takes it (robfig/cron's ParseStandard), reckoned by croner, which knows time zones. */
import { Cron } from "croner";

/** The largest number of each field, minute to day of the week. */
const most = [59, 23, 31, 12, 6] as const;
const words = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/;
/** croner takes more: seconds, L, W, #, 7 for Sunday. An API server refuses those. */
const value = String.raw`(\d{1,2}|[A-Za-z]{3})`;
const part = String.raw`([*?]|${value}(-${value})?)(\/\d+)?`;
const field = new RegExp(`^${part}(,${part})*$`);

export class Schedule {
  private readonly cron: Cron;

  /** Throws where Kubernetes would refuse it. Without a time zone that of its controllers counts, which is UTC here. */
  constructor(schedule: string, timeZone = "Etc/UTC") {
    this.cron = new Cron(words.test(schedule) ? schedule : translate(schedule), { timezone: timeZone, mode: "5-part" });
  }

  /** The first time after this one. */
  next(after: Date): Date | undefined {
    return this.cron.nextRun(after) ?? undefined;
  }

  /** The last time that is later than `after` and not later than `until`. */
  latest(after: Date, until: Date): Date | undefined {
    // A run at this very moment counts.
    const [found] = this.cron.previousRuns(1, new Date(Math.floor(until.getTime() / 1000) * 1000 + 1000));
    return found !== undefined && found > after ? found : undefined;
  }
}

/** What robfig/cron takes and croner writes in another way: `?` for any, `5/20` for every 20th from the 5th on. */
function translate(schedule: string): string {
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== most.length || !fields.every((text) => field.test(text)))
    throw new Error(`unparseable schedule "${schedule}": five cron fields, or @daily and the like`);
  const translated = fields.map((text, index) =>
    text.replaceAll("?", "*").replace(/(?<=^|,)(\w+)(?=\/)/g, (from) => `${from}-${most[index]!}`),
  );
  if (/(^|[,-])7/.test(translated[4]!)) throw new Error(`unparseable schedule "${schedule}": Sunday is 0`);
  return translated.join(" ");
}

const timeZones = new Map<string, boolean>();

/** Whether the machine knows this time zone; "Local" is none for Kubernetes. Looked up once: each time takes milliseconds. */
export function isTimeZone(name: string): boolean {
  const known = timeZones.get(name) ?? isInTables(name);
  timeZones.set(name, known);
  return known && name.toLowerCase() !== "local";
}

function isInTables(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return true;
  } catch {
    return false;
  }
}

export function isSchedule(schedule: string): boolean {
  try {
    new Schedule(schedule);
    return true;
  } catch {
    return false;
  }
}
