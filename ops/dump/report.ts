/** What the database is told of the dumps, as of the archive. */
import type pg from "pg";
import { reportRun } from "../reportRun";
import type { Dumped } from "./run";

export async function reportDump(
  primary: pg.Client,
  { until, number }: Pick<Dumped, "until" | "number">,
): Promise<void> {
  await reportRun(primary, "report_dump", [until, number]);
}

/** The number of the newest dump, as the database was told. To be asked for before the bucket is read. */
export async function toldDump(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ number: string }>("select number from audit.dumps");
  return Number(rows[0]?.number ?? 0);
}
