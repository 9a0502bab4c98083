/** Verifies the audit trail: every seal, link, head, recorded change and checkpoint, and what anchors say. Changes nothing. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { connectBucket } from "./archive/bucket";
import { assertReplayed } from "./archive/position";
import { readableUrl, withConnection } from "./database";
import { integerSetting, runProgram, textSetting, type Context } from "./program";
import { readAnchors } from "./anchorFormat";
import { readExpectations } from "./expectations";
import { readManifests } from "./manifest";
import { readAcknowledgements } from "./verify/acknowledgements";
import { archiveBounds } from "./verify/fromArchive";
import { leftBehind, lostReceipts } from "./verify/lostReceipts";
import { count, type Options, read } from "./verify/options";
import { record, recordFailure } from "./verify/record";
import { readArchive } from "./verify/readArchive";
import { failure, type Report, summary } from "./verify/report";
import type { Counts } from "./verify/request";
import { verify } from "./verify/verification";

const help = `
Environment:
  DATABASE_URL       the auditor's URL (or the owner's; with --record the verifier's); a replica will do
  DATABASE_URL_FILE  a file with that URL, in its place
  REPLICA_URL        the same of a replica (or REPLICA_URL_FILE): used where it answers and is not out of date
  REPLICA_MAX_AGE_SECONDS  how old the newest that it shows may be (default 300)

  EXPECTATIONS_FILE  what the deployment told the database, as ops/migrate was given it: compared where it is given
  ACKNOWLEDGED_FILE  findings that were looked into, in place of --acknowledged

  BACKUP_BUCKET, BACKUP_REGION  for --archived and --from-archive: the locked bucket and its region
  ARCHIVE_KNOWN_FLAWS           for --archived: flaws in the archive that were looked into (default 0)

Prints a JSON report on standard output and progress on standard error.
Exit codes: 0 the trail is whole, 1 something was found or nothing could be verified, 2 wrong usage,
3 nothing was found, but not all could be verified: months have left the database, and neither their manifests were given nor the bucket read; the oldest part of
the archive has left the bucket by its age; a manifest of --apart-from did not reach every chain, or is of this deployment; or PostgreSQL is of a minor version that is not
known here.

Examples:
  verify                                      the whole trail
  verify --anchors anchor-1.json anchor-2.json  … and that nothing anchored was cut off or rewritten
  verify --archived                           … and the archive in the bucket, and both against each other
  verify --archived --restored                … of a database that was restored to an earlier moment
  verify --from-anchor anchor-2.json          only what came after that anchor
  verify --from-archive 8d                    what the last 8 days wrote, from where the locked bucket's anchor of then stands
  verify --apart-from other.json              the whole trail, and that no agent has receipts in that anchor's deployment too
  verify --since 2026-11-01 --until 2026-12-01  receipts made in November (UTC)
  verify --agent billing-bot                  one agent ("" for receipts of none)`;

async function run(options: Options, { signal }: Context): Promise<void> {
  const asked = read(options);
  let report: Report;
  try {
    report = await verified(options, asked, signal);
  } catch (error) {
    if (asked.recorded !== undefined) await recordFailure(error, asked.recorded);
    throw error;
  }
  process.stdout.write(`${JSON.stringify(report, null, process.stdout.isTTY ? 2 : 0)}\n`);
  if (options.report !== undefined) writeFileSync(options.report, `${JSON.stringify(report, null, 2)}\n`);
  process.stderr.write(`${summary(report)}\n`);
  if (asked.recorded !== undefined) await record(report, asked.recorded, signal);
  const failed = failure(report);
  if (failed) throw failed;
}

async function verified(
  options: Options,
  { since, until, lastDays }: ReturnType<typeof read>,
  signal: AbortSignal,
): Promise<Report> {
  const apartFrom = readAnchors(options.apartFrom ?? []);
  const [from, ...others] = options.fromAnchor === undefined ? [] : readAnchors([options.fromAnchor]);
  const archived = options.archived
    ? await readArchive(backupBucket(signal), {
        url: await verifiableUrl(signal),
        knownFlaws: integerSetting("ARCHIVE_KNOWN_FLAWS", 0),
        segments: options.segments,
        restored: options.restored,
      })
    : undefined;
  const expected = process.env["EXPECTATIONS_FILE"];
  const acknowledged = options.acknowledged ?? process.env["ACKNOWLEDGED_FILE"];
  const bounds = lastDays === undefined ? undefined : await archiveBounds(backupBucket(signal), lastDays);
  const url = await verifiableUrl(signal, (archived ?? bounds)?.lsn);
  const report = await verify({
    url,
    signal,
    since: since ?? (bounds ? undefined : lastDays),
    until,
    agent: options.agent,
    apartFrom,
    anchors: [
      ...others,
      ...readAnchors(options.anchors ?? []),
      ...(archived?.anchors ?? []),
      ...(bounds ? [bounds.newest] : []),
    ],
    archived,
    from: from ?? bounds?.from,
    manifests: readManifests(options.manifests ?? []),
    expectations: expected === undefined ? undefined : readExpectations(expected),
    acknowledgements: acknowledged === undefined ? [] : readAcknowledgements(acknowledged),
    resumeFile: options.resume,
    connections: count("connections", options.connections, 32),
    chunk: count("chunk", options.chunk, 1_000_000),
    allowEmpty: options.allowEmpty ?? false,
    onProgress: progress(),
  });
  if (!archived || !leftBehind(report)) return report;
  const connection = { url, applicationName: "authensor-verify", signal };
  return { ...report, lost: await withConnection(connection, (client) => lostReceipts(client, backupBucket(signal))) };
}

const backupBucket = (signal: AbortSignal) =>
  connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-west-1"),
    signal,
  );

/** A replica that has not replayed what is in the bucket would look like one that has lost it. */
const verifiableUrl = (signal: AbortSignal, lsn?: string): Promise<string> =>
  readableUrl("authensor-verify", signal, (client) => assertReplayed(client, lsn));

/** A line every few seconds; on a terminal one that is written over. */
function progress(): (counts: Counts) => void {
  const started = Date.now();
  let last = started;
  const every = process.stderr.isTTY ? 500 : 10_000;
  return ({ receipts, estimate }) => {
    const now = Date.now();
    if (now - last < every) return;
    last = now;
    const share = estimate > receipts ? ` of about ${estimate} (${Math.floor((100 * receipts) / estimate)} %)` : "";
    const line = `${receipts} receipts${share}, ${Math.round(receipts / ((now - started) / 1000))}/s`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}\r` : `${line}\n`);
  };
}

void runProgram("verify", "Verifies the audit trail.", (command: Command, context) => {
  command
    .addHelpText("after", help)
    .option("--since <time>", "receipts made at this time or later")
    .option("--until <time>", "receipts made before this time")
    .option("--agent <name>", "this agent's chain only")
    .option("--anchors <files...>", "anchors to verify against (JSON, one or several per file; - is standard input)")
    .option("--from-anchor <file>", "begin where this anchor was made")
    .option(
      "--apart-from <files...>",
      "anchors or manifests of other deployments that agents are divided over: an agent that has receipts there as well is a finding",
    )
    .option(
      "--from-archive <time>",
      "begin where the archive's newest manifest from before this time was made, and reach its newest; without one as --since",
    )
    .option("--manifests <files...>", "manifests of archived months (ops/anchor --month), one or several per file")
    .option("--archived", "the archive in the bucket too, and that the database has not lost or changed what is in it")
    .option("--segments", "with --archived: read every segment, also of months that have an archive of their own")
    .option(
      "--restored [until]",
      "with --archived: the database was restored to this time (default: of its newest write), or from the bucket up to the manifest of this number; what was archived later is not awaited in it",
    )
    .option("--acknowledged <file>", "findings that were looked into, and by whom (docs/verification.md)")
    .option("--resume <file>", "keep how far it got, and go on from there when run again")
    .option("--report <file>", "also write the report here")
    .option(
      "--record <scope>",
      "tell the monitor, on the primary, how it ended: as the verification of the recent trail, of the whole, or of the whole and the archive",
    )
    .option("--connections <number>", "connections, each keeping one core of the server busy", "2")
    .option("--chunk <receipts>", "receipts per step", "20000")
    .option("--allow-empty", "finding no receipt at all is no failure")
    .action((options: Options) => run(options, context));
});
