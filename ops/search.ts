/** Finds receipts: by the words in them, by id, or simply the latest; for people and, with --json, for programs. */
import type { Command } from "commander";
import { databaseUrl, sqlState, withConnection } from "./database";
import { Failure, runProgram, type Context } from "./program";
import { table, type Column } from "./search/table";
import { parseTime } from "./times";

const help = `
Environment:
  DATABASE_URL   the auditor's URL; a replica will do

Without words: the latest receipts. A receipt's id: that receipt, whatever its time.
Otherwise the query is written as in a web search: words that all must be there, "a phrase", this or that, -not.
Searched are action, resource, agent, parameters and metadata: their first 4 KB.

Exit codes: 0 searched (also when nothing was found), 1 failed, 2 wrong usage.

Examples:
  search
  search 0b6f3c52-7c1e-4f52-9d55-0a3d1c1a7e11
  search refund stripe
  search '"production database" -read' --since 7d
  search cus_81hG or cus_93kL --since 2026-10-01 --until 2026-11-01 --json`;

interface Options {
  since: string;
  until?: string;
  limit: string;
  json?: boolean;
}

interface Found {
  id: string;
  created_at: Date;
  actor_id: string | null;
  tool_name: string | null;
  resource: string | null;
  decision_outcome: string;
  status: string;
  /** Of a search for words only. */
  rank?: number;
  snippet?: string;
}

const columnsShown = `id, created_at, actor_id, tool_name, left(envelope #>> '{action,resource}', 512) as resource, decision_outcome, status`;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const columns: Column<Found>[] = [
  { title: "TIME (UTC)", value: (row) => row.created_at.toISOString().slice(0, 19).replace("T", " ") },
  { title: "RECEIPT", value: (row) => row.id },
  { title: "AGENT", value: (row) => row.actor_id ?? "–", most: 24 },
  { title: "ACTION", value: (row) => row.tool_name ?? "–", most: 32 },
  { title: "DECISION", value: (row) => row.decision_outcome },
  { title: "STATUS", value: (row) => row.status },
  { title: "FOUND", value: (row) => row.snippet ?? row.resource ?? "–", most: 120 },
];

async function search(words: string[], options: Options, { signal }: Context): Promise<void> {
  const query = words.join(" ");
  const since = parseTime("since", options.since);
  const until = options.until === undefined ? undefined : parseTime("until", options.until);
  if (until !== undefined && since >= until)
    throw new Failure(`--since ${since} must lie before --until ${until}`, [], 2);
  if (!/^\d{1,5}$/.test(options.limit) || Number(options.limit) < 1 || Number(options.limit) > 10_000)
    throw new Failure(`--limit must be a whole number from 1 to 10000, not "${options.limit}"`, [], 2);
  const limit = Number(options.limit);

  const rows = await withConnection(
    { url: databaseUrl(), applicationName: "authensor-search", signal },
    async (client) => {
      const ask = async (text: string, ...values: unknown[]) => (await client.query<Found>(text, values)).rows;
      if (query === "")
        return ask(
          `select ${columnsShown} from receipts where created_at >= $1 and created_at < coalesce($2, 'infinity'::timestamptz)
            order by created_at desc limit $3`,
          since,
          until ?? null,
          limit,
        );
      if (uuid.test(query)) {
        const receipts = await ask(`select ${columnsShown} from audit.find_receipt($1)`, query);
        if (receipts.length > 0) return receipts; // else it may be another id, that receipts have among their words
      }
      try {
        const text = "select * from search_receipts($1, $2, coalesce($3, 'infinity'::timestamptz), $4)";
        return await ask(text, query, since, until ?? null, limit);
      } catch (error) {
        // The query is at fault, not the database.
        if (sqlState(error) === "22023") throw new Failure((error as Error).message, [], 2);
        throw error;
      }
    },
  );

  if (options.json) {
    process.stdout.write(`${JSON.stringify({ query, since, until: until ?? null, found: rows })}\n`);
    return;
  }
  const time = `from ${since.slice(0, 16)}Z ${until === undefined ? "until now" : `until ${until.slice(0, 16)}Z`}`;
  if (rows.length === 0) {
    process.stdout.write(
      query === ""
        ? `There is no receipt ${time}. --since reaches further back.\n`
        : `No receipt ${time} matches ${query}. Fewer words find more, and --since reaches further back.\n`,
    );
    return;
  }
  process.stdout.write(table(columns, rows, process.stdout.isTTY ? process.stdout.columns : undefined));
  const more = rows.length === limit ? `: the ${query === "" ? "latest" : "best"} ones, --limit shows more` : "";
  const when = uuid.test(query) && rows[0]?.rank === undefined ? "with this id" : time;
  process.stdout.write(`\n${rows.length} ${rows.length === 1 ? "receipt" : "receipts"} ${when}${more}\n`);
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
      .option("--limit <number>", "most receipts to show", "25")
      .option("--json", "one JSON object instead of a table")
      .action((words: string[], options: Options) => search(words, options, context));
  },
);
