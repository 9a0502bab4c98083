/** One drill at a time, and what the monitor is told of it: by a row on the primary. */
import type pg from "pg";
import { Failure } from "../program";
import { reportRun } from "../reportRun";

/** Others are refused for as long as this connection lives. @returns what the drill is known by */
export async function beginDrill(primary: pg.Client): Promise<string> {
  const run = await reportRun(primary, "begin_drill", []);
  if (typeof run === "string") return run;
  const { rows } = await primary.query<{ pid: number; began_at: Date }>("select pid, began_at from audit.drill");
  throw new Failure(
    `another drill has been running since ${rows[0]?.began_at.toISOString()} (server process ${rows[0]?.pid} on the primary); this one does nothing`,
  );
}

export interface Told {
  rtoSeconds?: number | undefined;
  rpoSeconds?: number | undefined;
  problems: number;
  summary: string;
}

/** By whatever connection: that of its beginning may have been lost in a failover. */
export async function reportDrill(
  primary: pg.Client,
  run: string,
  { rtoSeconds, rpoSeconds, problems, summary }: Told,
) {
  const whole = (seconds: number | undefined) => seconds && Math.max(0, Math.round(seconds));
  await reportRun(primary, "report_drill", [run, whole(rtoSeconds), whole(rpoSeconds), problems, summary]);
}
