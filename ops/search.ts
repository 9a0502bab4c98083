/** Finds receipts: by the words in them, by id, or simply the latest; for people and, with --json, for programs. */
import type { Command } from "commander";
import { connectBucket } from "./archive/bucket";
import { readableUrl, withConnection } from "./database";
import { createLog } from "./log";
import { Failure, runProgram, textSetting, type Context } from "./program";
import { findArchived } from "./search/archived";
import { find, uuid, type Answer, type Found, type Question } from "./search/find";
import { table, type Column } from "./search/table";
import { parseTime } from "./times";

const help = `
Environment:
  DATABASE_URL       the auditor's URL
  DATABASE_URL_FILE  a file with that URL, in its place
  REPLICA_URL        the same of a replica (or REPLICA_URL_FILE): used where it answers
  BACKUP_BUCKET, BACKUP_REGION  for --archived: the locked bucket and its region; no database is asked then

A receipt's id finds that receipt, whatever its time. Otherwise the query is written as in a web search: words that all must be there, "a phrase", this or that, -not.
Searched are action, resource, agent, parameters and metadata: their first 4 KB.
With --archived it is the archives of months in the bucket that are searched: every one of the time asked for is read from its beginning to its
end, and words are found as they are written, in all that a receipt says. What has no archive yet is in the database.

Exit codes: 0 searched (also when nothing was found), 1 failed, 2 wrong usage.

Examples:
  search --latest
  search 0b6f3c52-7c1e-4f52-9d55-0a3d1c1a7e11
  search refund stripe
  search '"production database" -read' --since 7d
  search cus_81hG or cus_93kL --since 2026-10-01 --until 2026-11-01 --json`;

interface Options {
  since: string;
  until?: string;
  limit: string;
  latest?: boolean;
  archived?: boolean;
  json?: boolean;
}

const columns: Column<Found>[] = [
  { title: "TIME (UTC)", value: (row) => row.created_at.toISOString().slice(0, 19).replace("T", " ") },
  { title: "RECEIPT", value: (row) => row.id },
  { title: "AGENT", value: (row) => row.actor_id ?? "–", most: 24 },
  { title: "ACTION", value: (row) => row.tool_name ?? "–", most: 32 },
  { title: "DECISION", value: (row) => row.decision_outcome },
  { title: "STATUS", value: (row) => row.status },
  { title: "FOUND", value: (row) => row.snippet ?? row.resource ?? "–", most: 120 },
];

function readQuestion(words: string[], options: Options): Question {
  if (options.latest && words.length > 0) throw new Failure("--latest takes no words: use one or the other", [], 2);
  if (!options.latest && words.length === 0)
    throw new Failure("nothing to search for: give words, a receipt's id, or --latest", [], 2);
  const since = parseTime("since", options.since);
  const until = options.until === undefined ? null : parseTime("until", options.until);
  if (until !== null && since >= until) throw new Failure(`--since ${since} must be before --until ${until}`, [], 2);
  if (!/^\d{1,5}$/.test(options.limit) || Number(options.limit) < 1 || Number(options.limit) > 10_000)
    throw new Failure(`--limit must be a whole number from 1 to 10000, not "${options.limit}"`, [], 2);
  return { query: words.join(" "), latest: options.latest ?? false, since, until, limit: Number(options.limit) };
}

async function search(words: string[], options: Options, { signal }: Context): Promise<void> {
  const question = readQuestion(words, options);
  const { problems, left, ...answer } = options.archived
    ? await findArchived(backupBucket(signal), question, createLog("search", process.stderr))
    : { ...(await inDatabase(question, signal)), problems: [], left: [] };
  show(question, answer, left, options);
  if (problems.length > 0)
    throw new Failure("not all that was searched is whole: what was not found may be in it", problems);
}

const inDatabase = async (question: Question, signal: AbortSignal): Promise<Answer> =>
  withConnection(
    { url: await readableUrl("authensor-search", signal), applicationName: "authensor-search", signal },
    (client) => find(client, question),
  );

const backupBucket = (signal: AbortSignal) =>
  connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-west-1"),
    signal,
  );

/** @param left what could not be searched any more */
function show(question: Question, { rows, by }: Answer, left: readonly string[], options: Options): void {
  const { query, since, until, limit } = question;
  const id = uuid.test(query);

  if (options.json) {
    const time = by !== "id" && { since, until };
    process.stdout.write(`${JSON.stringify({ query, by, ...time, ...(options.archived && { left }), found: rows })}\n`);
    return;
  }
  const unsearched = left.length === 0 ? "" : `Not searched, since no longer in the bucket: ${left.join(", ")}.\n`;
  const time = `from ${since.slice(0, 16)}Z ${until === null ? "until now" : `until ${until.slice(0, 16)}Z`}`;
  if (rows.length === 0) {
    const nothing =
      by === "time"
        ? `There is no receipt ${time}. --since reaches further back.`
        : by === "id"
          ? `No receipt in the archives that are there has the id ${query}.`
          : id
            ? `No receipt here has the id ${query} (--archived looks in the months that have left the database), and none ${time} mentions it.`
            : `No receipt ${time} matches ${query}. Fewer words find more, and --since reaches further back.`;
    process.stdout.write(`${nothing}\n${unsearched}`);
    return;
  }
  process.stdout.write(table(columns, rows, process.stdout.isTTY ? process.stdout.columns : undefined));
  const count = `${rows.length} ${rows.length === 1 ? "receipt" : "receipts"}`;
  const more = rows.length === limit ? `: the ${by === "time" ? "latest" : "best"} ones, --limit shows more` : "";
  process.stdout.write(by === "id" ? `\n${count} with this id\n` : `\n${count} ${time}${more}\n`);
  process.stdout.write(unsearched);
}

void runProgram(
  "search",
  "Finds receipts: by the words in them, by id, or the latest.",
  (command: Command, context) => {
    command
      .addHelpText("after", help)
      .argument("[words...]", "what to search for, or an id; words that begin with - come after --")
      .option("--since <time>", "receipts made at this time or later: a date, or how long ago", "30d")
      .option("--until <time>", "receipts made before this time")
      .option("--latest", "the latest receipts, whatever their words")
      .option("--limit <number>", "most receipts to show", "25")
      .option("--archived", "search the archives of months in the backup bucket in place of the database")
      .option("--json", "one JSON object instead of a table")
      .action((words: string[], options: Options) => search(words, options, context));
  },
);
