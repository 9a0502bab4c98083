/** What the database is told of the archives of months: up to there, and no further, a month may leave it. */
import type pg from "pg";
import { reportRun } from "../reportRun";
import type { Month } from "./manifest";

export async function reportMonths(
  primary: pg.Client,
  { number, as_of: asOf, to: { chains: all } }: Month,
): Promise<void> {
  const chains = all.flatMap(({ agent, seq, seal, history_seq, history_seal }) => [
    { chain: "receipts", agent, seq, seal },
    { chain: "history", agent, seq: history_seq, seal: history_seal },
  ]);
  await reportRun(primary, "report_months", [number, asOf, JSON.stringify(chains.filter(({ seq }) => seq > 0))]);
}

/** The number of the newest archive, as the database was told. To be asked for before the bucket is read. */
export async function toldMonth(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ number: string }>("select number from audit.months");
  return Number(rows[0]?.number ?? 0);
}
