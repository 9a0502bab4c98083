/** Months past ONLINE_MONTHS leave PostgreSQL, each once the locked bucket proves to have all of it. Safe to run anywhere, any number of times. */
import type { Command } from "commander";
import { connectBucket } from "./archive/bucket";
import { databaseUrl, refusePooler, serverTime, withConnection } from "./database";
import { reportedRun } from "./maintenance/report";
import { sessionSettings } from "./maintenance/session";
import { retire } from "./months/retire";
import { Failure, integerSetting, runProgram, textSetting, type Context } from "./program";

const environment = `
Environment:
  DATABASE_URL            the URL of authensor_maintenance or the owner, straight to the server (nothing is done on a standby)
  DATABASE_URL_FILE       a file with that URL, in its place
  ONLINE_MONTHS           months that receipts stay in PostgreSQL after the end of their month
  ARCHIVE_DELAY_DAYS      how long a month must be over before it is compacted (default 7): a month that waits for longer than
                          that explains fails the run
  BACKUP_BUCKET           the bucket's name
  BACKUP_REGION           its region
  LOCK_TIMEOUT_MS         longest that one attempt may keep writers waiting (default 200)
  LOCK_PATIENCE_SECONDS   how long to go on trying while tables are in use (default 120)

Exit codes: 0 done, or what is due waits for its archive; 1 failed, or the bucket does not prove to have what is due; 2 wrong usage or settings.`;

async function run({ log, signal }: Context): Promise<void> {
  const onlineMonths = integerSetting("ONLINE_MONTHS", 0);
  if (onlineMonths < 1) throw new Failure("ONLINE_MONTHS must be set, to 1 or more", [], 2);
  const settings = {
    onlineMonths,
    delayDays: integerSetting("ARCHIVE_DELAY_DAYS", 7),
    log,
    lockTimeoutMs: integerSetting("LOCK_TIMEOUT_MS", 200),
    patienceSeconds: integerSetting("LOCK_PATIENCE_SECONDS", 120),
  };
  const bucket = connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-west-1"),
    signal,
  );
  await withConnection({ url: databaseUrl(), applicationName: "authensor-retire", signal }, async (client) => {
    const { rows } = await client.query<{ standby: boolean }>("select pg_is_in_recovery() as standby");
    if (rows[0]?.standby) return log.info("this server is a standby: nothing to do here");
    await refusePooler(client);
    await client.query(sessionSettings);
    const summary = await reportedRun(client, "retire", async () => {
      const { months, waits } = await retire({ ...settings, now: await serverTime(client), client, bucket });
      const left = months.length === 0 ? "no month has left" : `left the database: ${months.join(", ")}`;
      const text = waits === undefined ? left : `${left}; ${waits}`;
      return { result: text, summary: text };
    });
    log.info(summary);
  });
}

void runProgram("retire", "Months past ONLINE_MONTHS leave PostgreSQL.", (command: Command, context) => {
  command.addHelpText("after", environment).action(() => run(context));
});
