/** Receipts in the archives of months, in the locked bucket: each archive is read from its beginning to its end, the newest first. */
import type { Bucket } from "../archive/bucket";
import type { Log } from "../log";
import { checkMonth } from "../months/check";
import { allMonths, type FoundMonth } from "../months/find";
import { isUnreadable } from "../archive/unreadable";
import { uuid, type Answer, type Found, type Question } from "./find";
import { matcherOf } from "./words";

interface Asked extends Answer {
  /** What is wrong with the archives that were read: what is not found may be in them. */
  problems: string[];
}

/** Only those months are read that have receipts of the time asked for. */
export async function findArchived(bucket: Bucket, question: Question, log: Log): Promise<Asked> {
  const { query, limit, since, until } = question;
  const byId = uuid.test(query);
  const within = byId ? { since: "", until: null } : { since, until };
  const matches = receiptMatcher(question, byId);
  const [problems, months]: [string[], FoundMonth[]] = [[], []];
  for await (const found of allMonths(bucket)) {
    problems.push(...found.problems);
    // What it says of chains may be long.
    if (found.month && found.object && hasReceiptsOf(found.month.made, within))
      months.push({ ...found, month: { ...found.month } });
  }
  const bytes = months.reduce((sum, { month }) => sum + month!.object.compressed.bytes, 0);
  log.info(
    `reading ${months.length} archives, ${(bytes / 2 ** 20).toFixed(1)} MiB: S3 charges for what is read from cold storage, and for what leaves its region`,
  );
  const rows: Found[] = [];
  for (const { month, object } of months.toReversed()) {
    const found: Found[] = [];
    const lines = (some: readonly Buffer[]) => {
      for (const line of some) {
        const receipt = matches(line);
        if (!receipt) continue;
        found.push(receipt);
        // The latest of it.
        if (found.length > limit) found.shift();
      }
    };
    try {
      for await (const checked of checkMonth(bucket, month!, { lines }, object!.version))
        problems.push(...checked.problems);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      problems.push(`${month!.object.key}: ${(error as Error).message}`);
    }
    rows.push(...found.toReversed());
    log.info("read", { month: month!.month, found: rows.length });
    if (rows.length >= limit) break;
  }
  return { by: question.latest ? "time" : byId ? "id" : "words", rows: rows.slice(0, limit), problems };
}

/** Which of an archive's months are within a time; times are ISO, and compare as text. */
function hasReceiptsOf(
  made: Record<string, { receipts: number }>,
  { since, until }: Pick<Question, "since" | "until">,
): boolean {
  return Object.entries(made).some(
    ([month, { receipts }]) =>
      receipts > 0 && month >= since.slice(0, 7) && (until === null || month <= until.slice(0, 7)),
  );
}

type Statement = [string, string, string | null, string, string, string | null, string | null, unknown, unknown];

const isReceipt = Buffer.from('{"chain":"receipts",');

/** Reads a line as the receipt that it is, where that is asked for. */
function receiptMatcher({ query, latest, since, until }: Question, byId: boolean): (line: Buffer) => Found | undefined {
  const id = query.toLowerCase();
  const has = byId ? (text: string) => text.includes(id) : latest ? () => true : matcherOf(query);
  return (line) => {
    if (!line.subarray(0, isReceipt.length).equals(isReceipt)) return undefined;
    const statement = line.toString("utf8", line.indexOf("\t") + 1, line.length - 2);
    if (!has(statement.toLowerCase())) return undefined;
    const [of, , , made, outcome, tool, agent, envelope] = JSON.parse(statement) as Statement;
    const at = new Date(`${made}Z`);
    const inTime = at.getTime() >= Date.parse(since) && (until === null || at.getTime() < Date.parse(until));
    if (byId ? of !== id : !inTime) return undefined;
    const { action } = (envelope ?? {}) as { action?: { resource?: unknown } };
    return {
      id: of,
      created_at: at,
      actor_id: agent,
      tool_name: tool,
      resource: typeof action?.resource === "string" ? action.resource.slice(0, 512) : null,
      decision_outcome: outcome,
      // It follows from the receipt's changes, which may be in later archives.
      status: "–",
    };
  };
}
