/** Tries both ways back, in a scratch instance, proves what came of them, and removes it: an untested backup is none. */
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { connectBucket } from "./archive/bucket";
import { databaseUrl, serverTime, withConnection } from "./database";
import { drill } from "./drill/drill";
import { Lease } from "./drill/lease";
import { beginDrill, drillGoesOn, reportDrill } from "./drill/record";
import { render } from "./drill/render";
import { storeReport, summaryOf } from "./drill/report";
import { Scratch } from "./drill/scratch";
import { Failure, integerSetting, runProgram, textSetting, type Context } from "./program";

const environment = `
Environment:
  DATABASE_URL        the verifier's URL of the primary itself (or DATABASE_URL_FILE): a row there keeps a second drill off, and the monitor reads it
  ENVIRONMENT         the deployment's name: the scratch instance is authensor-<environment>-drill, tagged authensor:drill
  COPIES_ARN          the copies of the primary's automated backups; their region is the scratch instance's
  SUBNET_GROUP, SECURITY_GROUP, PARAMETER_GROUP  what the scratch instance is given there
  CA_FILE             certificates that its server is verified by
  BACKUP_BUCKET, BACKUP_REGION, ARCHIVE_KNOWN_FLAWS  the locked bucket: the second way back; the report is stored in it
  MIGRATIONS_DIR      directory of the NNN_slug.sql files, for a database from the bucket (default ./sql)
  VERIFY_PROGRAM, RESTORE_PROGRAM  the bundled ops/verify and ops/restore (default: verify.js, restore.js beside this program)
  WAIT_SECONDS        how long RDS may take for one step (default 14400)
  POLL_MILLISECONDS   how often RDS is asked (default 10000)

The primary and the replica are not touched. An instance that an earlier drill left behind is removed first.
Exit codes: 0 both ways back are proven, 1 something failed or was found, 2 wrong usage or settings.`;

async function run({ log, signal: ofProgram }: Context): Promise<void> {
  const name = textSetting("ENVIRONMENT", "prod");
  const bucket = [
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-north-1"),
  ] as const;
  const waitSeconds = integerSetting("WAIT_SECONDS", 14_400);
  // A connection each time: a drill takes hours, and a failover in them ends every one.
  const to = { url: databaseUrl(), applicationName: "authensor-drill" };
  const lease = new Lease((run) =>
    withConnection({ ...to, timeoutSeconds: 5, signal: AbortSignal.timeout(10_000) }, (client) =>
      drillGoesOn(client, run),
    ),
  );
  const signal = AbortSignal.any([ofProgram, lease.lost]);
  const scratch = new Scratch(
    {
      environment: name,
      copiesArn: textSetting("COPIES_ARN", "arn:aws:rds:eu-north-1:123456789012:auto-backup:ab-1a2b3c4d"),
      subnetGroup: textSetting("SUBNET_GROUP", "authensor-prod-drill-1a2b3c4d"),
      securityGroup: textSetting("SECURITY_GROUP", "sg-0123456789abcdef0"),
      parameterGroup: textSetting("PARAMETER_GROUP", "authensor-prod-drill-1a2b3c4d"),
      waitSeconds,
      pollMilliseconds: integerSetting("POLL_MILLISECONDS", 10_000),
    },
    log,
    signal,
  );
  const caFile = textSetting("CA_FILE", "/etc/authensor/trust/database-ca.pem");
  const programOf = (name: "verify" | "restore") =>
    process.env[`${name.toUpperCase()}_PROGRAM`] ?? join(dirname(process.argv[1] ?? ""), `${name}.js`);
  const programs = { verify: programOf("verify"), restore: programOf("restore") };

  const run = await lease.begin(() => withConnection({ ...to, signal }, beginDrill));
  const now = () => withConnection({ ...to, signal }, serverTime);
  const report = await drill({
    environment: name,
    lease,
    scratch,
    bucket: connectBucket(...bucket, signal),
    caFile,
    programs,
    waitSeconds,
    now,
    log,
    signal,
  }).finally(() => lease.end());

  // Also where the program is to end: within what is left of its time.
  let key: string | undefined;
  try {
    key = await storeReport(connectBucket(...bucket, AbortSignal.timeout(60_000)), report);
  } catch (error) {
    report.ok = false;
    report.problems.push(`the report could not be stored in ${bucket[0]}: ${(error as Error).message}`);
  }
  const {
    copies: { rtoSeconds, rpoSeconds },
    problems,
  } = report;
  const summary = summaryOf(report);
  process.stdout.write(render(report, key));
  await withConnection({ ...to, ...(signal.aborted && { timeoutSeconds: 20 }) }, (client) =>
    reportDrill(client, run, { rtoSeconds, rpoSeconds, problems: problems.length, summary }),
  );
  if (!report.ok) throw new Failure(summary, ["docs/runbooks/drill-failed.md says how to go on."]);
}

void runProgram(
  "drill",
  "Tries both ways back, in a scratch instance, and proves what came of them.",
  (command: Command, context) => {
    command.addHelpText("after", environment).action(() => run(context));
  },
);
