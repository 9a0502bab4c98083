/** Keeps receipts of months from expiring in the locked bucket, for as long as somebody asks for it: places, releases, lists and renews legal holds. */
import type { Command } from "commander";
import { connectBucket } from "./archive/bucket";
import { databaseUrl, withConnection } from "./database";
import { applyHolds, type Applied } from "./hold/apply";
import { notedFor } from "./hold/held";
import { allHolds, record, type Hold } from "./hold/record";
import { Failure, runProgram, textSetting, type Context } from "./program";
import { reportRun } from "./reportRun";

const help = `
Environment:
  BACKUP_BUCKET, BACKUP_REGION  the locked bucket and its region
  DATABASE_URL                  the archiver's URL (or DATABASE_URL_FILE: a file with it): where it is set, "apply" tells how it ended

Exit codes: 0 all is held, 1 something failed or cannot be held, 2 wrong usage.

Examples:
  hold place --from 2026-01 --to 2026-03 --by "Jane Roe, Legal" --reason "case 4711"
  hold list
  hold release 1 --by "Jane Roe, Legal" --reason "case 4711 is closed"`;

interface Why {
  by: string;
  reason: string;
}

const bucketFor = (signal: AbortSignal) =>
  connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-west-1"),
    signal,
  );

const said = ({ by, reason }: Why): Why => {
  if (by.trim() === "" || reason.trim() === "") throw new Failure("--by and --reason must not be empty", [], 2);
  return { by, reason };
};

function failOn({ problems }: Applied): void {
  if (problems.length > 0)
    throw new Failure("not all of it can be held; what is there is held", [
      ...problems,
      "docs/backups.md, Legal hold, says how to go on.",
    ]);
}

const sameMonths = (a: Hold["months"], b: Hold["months"]) => a.from === b.from && a.to === b.to;

async function place({ from, to, ...why }: Why & Hold["months"], { log, signal }: Context): Promise<void> {
  for (const [option, month] of Object.entries({ from, to }))
    if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(month))
      throw new Failure(`--${option} must be a month such as 2026-01, not "${month}"`, [], 2);
  if (from > to) throw new Failure(`--from ${from} is after --to ${to}`, [], 2);
  const { by, reason } = said(why);
  const bucket = bucketFor(signal);
  const { holds } = await allHolds(bucket);
  const same = holds.find(
    (hold) => !hold.released && sameMonths(hold.months, { from, to }) && hold.by === by && hold.reason === reason,
  );
  const number = same?.number ?? (await record(bucket, { by, reason, months: { from, to } }));
  log.info(same ? "this hold is there already; it is brought up to date" : "the hold is recorded", { hold: number });
  const applied = await applyHolds(bucket, log);
  log.info("held", { hold: number, months: `${from} to ${to}`, objects: applied.held.get(number) ?? 0 });
  failOn(applied);
}

async function release(text: string, why: Why, { log, signal }: Context): Promise<void> {
  const { by, reason } = said(why);
  const bucket = bucketFor(signal);
  const { holds } = await allHolds(bucket);
  const hold = holds.find(({ number }) => String(number) === text);
  if (!hold) throw new Failure(`there is no hold ${text}; "hold list" shows which there are`, [], 2);
  if (hold.released) log.info("it was released before", { at: hold.released.at, by: hold.released.by });
  else await record(bucket, { by, reason, releases: hold.number });
  const applied = await applyHolds(bucket, log);
  log.info("released", { hold: hold.number, objects: applied.released });
  failOn(applied);
}

async function list({ signal }: Context): Promise<void> {
  const bucket = bucketFor(signal);
  const { holds } = await allHolds(bucket);
  for (const { number, months, at, by, reason, released } of holds) {
    const { objects } = await notedFor(bucket, number);
    const end = released && { released: { at: released.at, by: released.by, reason: released.reason } };
    process.stdout.write(
      `${JSON.stringify({ hold: number, ...months, at, by, reason, objects: objects.size, ...end })}\n`,
    );
  }
}

async function apply({ log, signal }: Context): Promise<void> {
  const told = process.env["DATABASE_URL"] ?? process.env["DATABASE_URL_FILE"];
  const tell = async (succeeded: boolean, summary: string, within = signal) => {
    if (told === undefined) return;
    const connection = { url: databaseUrl(), applicationName: "authensor-hold", signal: within };
    await withConnection(connection, (client) => reportRun(client, "report_run", ["hold", succeeded, summary]));
  };
  let summary: string;
  try {
    const applied = await applyHolds(bucketFor(signal), log);
    failOn(applied);
    summary = `${applied.held.size} holds; ${applied.placed} objects were not held yet, or not any more, and are now`;
  } catch (error) {
    await tell(false, (error as Error).message, AbortSignal.timeout(10_000)).catch(() => undefined);
    throw error;
  }
  await tell(true, summary);
  log.info(summary);
}

void runProgram("hold", "Keeps receipts of months from expiring in the locked bucket.", (command: Command, context) => {
  const withWhy = (one: Command) =>
    one.requiredOption("--by <name>", "who asks for it").requiredOption("--reason <text>", "why; kept for good");
  command.addHelpText("after", help);
  withWhy(command.command("place").description("hold the receipts that were made in these months"))
    .requiredOption("--from <month>", "the first month, such as 2026-01")
    .requiredOption("--to <month>", "the last month")
    .action((options: Why & Hold["months"]) => place(options, context));
  withWhy(command.command("release").description("end a hold; what another one needs stays held"))
    .argument("<hold>", "its number")
    .action((hold: string, why: Why) => release(hold, why, context));
  command
    .command("list")
    .description("every hold, one line of JSON each, with those that were released")
    .action(() => list(context));
  command
    .command("apply")
    .description("hold what came since, and finish what was cut off; daily by itself")
    .action(() => apply(context));
});
