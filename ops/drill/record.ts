/** What the primary is told of a drill: that it goes on, which keeps others off, and for the monitor how it ended. */
import type pg from "pg";
import { Failure } from "../program";
import { reportRun } from "../reportRun";

/** @returns what the drill is known by */
export async function beginDrill(primary: pg.Client): Promise<string> {
  const run = await reportRun(primary, "begin_drill", []);
  if (typeof run === "string") return run;
  const { rows } = await primary.query<{ began_at: Date; seen_at: Date }>("select began_at, seen_at from audit.drill");
  const { began_at: began, seen_at: seen } = rows[0]!;
  throw new Failure(
    `another drill has been running since ${began.toISOString()} and was last heard of at ${seen.toISOString()}; this one does nothing`,
    ["If that one was killed, run this one again 10 minutes after it was last heard of."],
  );
}

/** @returns whether it is still the one; false where another has begun, since this one was not heard of for too long */
export const drillGoesOn = async (primary: pg.Client, run: string): Promise<boolean> =>
  (await reportRun(primary, "drill_goes_on", [run])) === true;

export interface Told {
  rtoSeconds?: number | undefined;
  rpoSeconds?: number | undefined;
  problems: number;
  summary: string;
}

export async function reportDrill(
  primary: pg.Client,
  run: string,
  { rtoSeconds, rpoSeconds, problems, summary }: Told,
) {
  const whole = (seconds: number | undefined) => seconds && Math.max(0, Math.round(seconds));
  await reportRun(primary, "report_drill", [run, whole(rtoSeconds), whole(rpoSeconds), problems, summary]);
}
