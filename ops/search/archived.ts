/** Receipts in the archives of months, in the locked bucket: each archive is read from its beginning to its end, the newest first. */
import type { Bucket } from "../archive/bucket";
import type { Log } from "../log";
import { checkMonth } from "../months/check";
import { allMonths, type FoundMonth } from "../months/find";
import type { Month } from "../months/manifest";
import { isUnreadable } from "../archive/unreadable";
import { actorOf } from "../verify/chainName";
import { uuid, type Answer, type Found, type Question } from "./find";
import { keepLatest } from "./latest";
import { matcherOf } from "./words";

interface Asked extends Answer {
  /** What has receipts of the time asked for, or may have, and has left the bucket by its age. */
  left: string[];
  /** What is wrong with the archives that were read: what is not found may be in them. */
  problems: string[];
}

/** Only those months are read that have receipts of the time asked for. */
export async function findArchived(bucket: Bucket, question: Question, log: Log): Promise<Asked> {
  const { query, limit, since, until } = question;
  const byId = uuid.test(query);
  const within = byId ? { since: "", until: null } : { since, until };
  const matches = receiptMatcher(question, byId);
  const [problems, left]: [string[], string[]] = [[], []];
  const months: (FoundMonth & { month: Month })[] = [];
  let oldest: Month | undefined;
  for await (const { month, ...found } of allMonths(bucket)) {
    problems.push(...found.problems);
    if (!month) continue;
    oldest ??= month;
    if (newestWithin(month.made, within) === undefined) continue;
    if (found.object) months.push({ ...found, month });
    else if (found.expiring) left.push(`the archive of ${month.month}`);
  }
  // Receipts are archived in the month that they are made in, or later.
  if (oldest && oldest.previous !== null && within.since.slice(0, 7) < oldest.month)
    left.unshift(`archives of months before ${oldest.month}`);
  const bytes = months.reduce((sum, { month }) => sum + month.object.compressed.bytes, 0);
  log.info(
    `reading ${months.length} archives, ${(bytes / 2 ** 20).toFixed(1)} MiB: S3 charges for what is read from cold storage, and for what leaves its region`,
  );
  const rows: Found[] = [];
  for (const { month, object } of months.toReversed()) {
    const earliestKept = rows.length < limit ? "" : rows.at(-1)!.created_at.toISOString();
    // An archive also has what came late to the months before: it is passed over only where all that it has is earlier.
    if (newestWithin(month.made, within)! < earliestKept.slice(0, 7)) continue;
    const lines = (some: readonly Buffer[]) => {
      for (const line of some) {
        const receipt = matches(line);
        if (receipt) keepLatest(rows, receipt, limit);
      }
    };
    try {
      for await (const checked of checkMonth(bucket, month, { lines }, object!.version))
        problems.push(...checked.problems);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      problems.push(`${month.object.key}: ${(error as Error).message}`);
    }
    log.info("read", { month: month.month, found: rows.length });
  }
  return { by: question.latest ? "time" : byId ? "id" : "words", rows, problems, left };
}

/** The newest of an archive's months that has receipts within a time, which are ISO and compare as text. */
const newestWithin = (
  made: Record<string, { receipts: number }>,
  { since, until }: Pick<Question, "since" | "until">,
): string | undefined =>
  Object.entries(made)
    .filter(([, { receipts }]) => receipts > 0)
    .map(([month]) => month)
    .filter((month) => month >= since.slice(0, 7) && (until === null || month <= until.slice(0, 7)))
    .sort()
    .at(-1);

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
    const [of, , , made, outcome, tool, chain, envelope] = JSON.parse(statement) as Statement;
    const at = new Date(`${made}Z`);
    const inTime = at.getTime() >= Date.parse(since) && (until === null || at.getTime() < Date.parse(until));
    if (byId ? of !== id : !inTime) return undefined;
    const { action } = (envelope ?? {}) as { action?: { resource?: unknown } };
    return {
      id: of,
      created_at: at,
      actor_id: chain && actorOf(chain),
      tool_name: tool,
      resource: typeof action?.resource === "string" ? action.resource.slice(0, 512) : null,
      decision_outcome: outcome,
      // It follows from the receipt's changes, which may be in later archives.
      status: "–",
    };
  };
}
