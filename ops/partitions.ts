/** Makes the months ahead of every monthly table. Safe to run anywhere, at any time, any number of times. */
import type { Command } from "commander";
import type pg from "pg";
import { databaseUrl, refusePooler, withConnection } from "./database";
import { lockMaintenance } from "./maintenance/lock";
import { ensurePartitions } from "./maintenance/partitions";
import { reportedRun } from "./maintenance/report";
import { repairRoles, unrepairedRoles } from "./maintenance/roles";
import { sessionSettings } from "./maintenance/session";
import { Failure, integerSetting, runProgram, type Context } from "./program";

const environment = `
Environment:
  DATABASE_URL            the URL of authensor_maintenance or the owner, straight to the server (nothing is done on a standby)
  DATABASE_URL_FILE       a file with that URL, in its place
  MONTHS_AHEAD            months after the current one that must have a partition (default 3)
  LOCK_WAIT_SECONDS       how long to wait for another run (default 300)
  LOCK_TIMEOUT_MS         longest that one attempt may keep writers waiting (default 50)
  LOCK_PATIENCE_SECONDS   how long to go on trying while tables are in use (default 120)

Exit codes: 0 done, 1 failed, 2 wrong usage or settings.`;

async function run(monthsAhead: number, { log, signal }: Context): Promise<void> {
  const settings = {
    monthsAhead,
    log,
    signal,
    lockTimeoutMs: integerSetting("LOCK_TIMEOUT_MS", 50),
    patienceSeconds: integerSetting("LOCK_PATIENCE_SECONDS", 120),
  };
  const waitSeconds = integerSetting("LOCK_WAIT_SECONDS", 300);
  await withConnection({ url: databaseUrl(), applicationName: "authensor-partitions", signal }, async (client) => {
    const { rows } = await client.query<{ standby: boolean }>("select pg_is_in_recovery() as standby");
    if (rows[0]?.standby) {
      log.info("this server is a standby: nothing to do here");
      return;
    }
    await refusePooler(client);
    await client.query(sessionSettings);
    const { created, moved, retries, summary } = await reportedRun(client, "partitions", async () => {
      await lockMaintenance(client, { log, signal, waitSeconds });
      // First: what follows may wait for long.
      await repairRoles(client, log);
      const result = await ensurePartitions(client, settings);
      await refuseUnrepaired(client);
      const made = result.created.length;
      const done = made === 0 ? "every month had its partition" : `made ${made} partitions`;
      const text = result.moved === 0 ? done : `${done}, moved ${result.moved} rows into them`;
      return { result: { ...result, summary: text }, summary: text };
    });
    log.info(summary, { created: created.length, moved, retries, monthsAhead });
  });
}

/** What this role may not repair fails the run: somebody has to look. */
async function refuseUnrepaired(client: pg.Client): Promise<void> {
  const left = await unrepairedRoles(client);
  if (left.length === 0) return;
  throw new Failure(
    "roles and database differ from what migrations make of them, and this role may not repair it",
    left.map(({ what, expected, actual }) => `${what}: expected ${expected}, is ${actual}`),
  );
}

void runProgram("partitions", "Makes the months ahead of every monthly table.", (command: Command, context) => {
  command
    .addHelpText("after", environment)
    .option("--months-ahead <number>", "overrides MONTHS_AHEAD")
    .action((options: { monthsAhead?: string }) => {
      const monthsAhead = integerSetting(
        "MONTHS_AHEAD",
        3,
        options.monthsAhead === undefined ? process.env : { MONTHS_AHEAD: options.monthsAhead },
      );
      if (monthsAhead > 120) throw new Failure(`MONTHS_AHEAD must be at most 120, not ${monthsAhead}`, [], 2);
      return run(monthsAhead, context);
    });
});
