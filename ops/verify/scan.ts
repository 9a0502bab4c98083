/** Reads what was asked for, chunk by chunk, on all connections at once. */
import type pg from "pg";
import type { StretchRow } from "./chain";
import { chainNames, ofEachChain, type ChainName } from "./chainKinds";
import { isAgents } from "./chainName";
import { sqlState } from "../database";
import { Chunks, timeAfter } from "./chunks";
import { inOrder } from "./orderedPool";
import type { Finding } from "./findings";
import { misdatedReceipts } from "./imports";
import { mostSuspects, type Progress } from "./progress";
import { stretches, type Range } from "./queries";
import type { Request } from "./request";
import type { ResumeFile } from "./resumeFile";
import { inSnapshot } from "./session";
import { percentOf, showProgress } from "./shownProgress";
import { stateMismatches, type StateMismatch } from "./stateMismatch";

const hour = 3_600_000;

export async function scan(
  clients: pg.Client[],
  progress: Progress,
  request: Request,
  estimate: number,
  resumeFile: ResumeFile | undefined,
): Promise<void> {
  // Receipts dated back by more than this are found by the gap they leave.
  const fromAnchor = request.from && new Date(Date.parse(request.from.as_of) - hour).toISOString();
  const since = progress.doneUntil ?? request.since ?? fromAnchor ?? "-infinity";
  const until = request.until ?? "infinity";
  if (progress.doneUntil === until) return;
  const chunks = new Chunks({ since, until }, request.chunk, request.agent);
  await inOrder({
    workers: clients,
    signal: request.signal,
    next: (client) =>
      inSnapshot(client, async () => {
        const percent = percentOf(progress.counted.receipts, estimate, request);
        if (percent !== undefined) await showProgress(client, percent);
        return chunks.next(client);
      }),
    work: (client, chunk) => readOrNarrow(client, chunk, request.chunk, request, progress),
    // In the order of the chunks: what the resume file holds is then all of time up to one moment.
    take: (results, chunk) => {
      for (const name of chainNames) progress.counted[name] += progress.take(name, results.rows[name]);
      progress.addMismatches(results.mismatches);
      progress.findings.push(...results.findings);
      progress.uncounted += results.more;
      progress.doneUntil = chunk.until;
      const { counted } = progress;
      resumeFile?.write(() => progress.save(chunk.until));
      request.onProgress?.({ receipts: counted.receipts, changes: counted.history, estimate });
    },
  });
}

interface Results {
  rows: Record<ChainName, StretchRow[]>;
  mismatches: StateMismatch[];
  findings: Finding[];
  /** Further ones, not listed. */
  more: number;
}

/**
 * Reads a range, each in a snapshot of its own: what is sealed does not change, so that it need not be seen at one moment. What the server
 * fails on (a corrupted page, a value beyond what it can put together) is narrowed down by halves, and told.
 */
async function readOrNarrow(
  client: pg.Client,
  range: Range,
  rows: number,
  request: Request,
  progress: Progress,
): Promise<Results> {
  try {
    return await inSnapshot(client, () => read(client, range, progress, request));
  } catch (error) {
    const code = sqlState(error);
    if (code === undefined || !ofTheData.test(code)) throw error;
    let [half, at]: [number, string | undefined] = [rows, undefined];
    while (at === undefined && half > 1) {
      const some = (half = Math.floor(half / 2));
      at = await inSnapshot(client, () => timeAfter(client, range, some, request.agent));
    }
    if (at === undefined) {
      const message = `what is stored from ${range.since} until before ${range.until} cannot be read: ${(error as Error).message}`;
      return {
        rows: ofEachChain(() => []),
        mismatches: [],
        findings: [{ kind: "unreadable", message, at: range.since }],
        more: 0,
      };
    }
    const first = await readOrNarrow(client, { since: range.since, until: at }, half, request, progress);
    const second = await readOrNarrow(client, { since: at, until: range.until }, half, request, progress);
    return {
      rows: ofEachChain((name) => [...first.rows[name], ...second.rows[name]]),
      mismatches: [...first.mismatches, ...second.mismatches],
      findings: [...first.findings, ...second.findings],
      more: first.more + second.more,
    };
  }
}

/** Errors that come from what is stored: out of range, beyond a limit, out of memory for one value, corrupted. */
const ofTheData = /^(22|54|53200|XX)/;

async function read(client: pg.Client, range: Range, progress: Progress, { agent }: Request): Promise<Results> {
  const only = agent === undefined ? [] : [agent];
  const rows = ofEachChain((): StretchRow[] => []);
  for (const name of chainNames) {
    const anchored = [...progress.anchorPlaces[name]].flatMap(([of, places]) =>
      isAgents(agent, of) ? [...places.keys()].map((seq): [string, number] => [of, seq]) : [],
    );
    anchored.push(...progress.afterAnchors.places(name).filter(([of]) => isAgents(agent, of)));
    const parameters = anchored.length > 0 ? [anchored.map(([of]) => of), anchored.map(([, seq]) => seq)] : [];
    const text = stretches(name, { agent, anchored: anchored.length > 0 });
    rows[name] = (await client.query<StretchRow>(text, [range.since, range.until, ...only, ...parameters])).rows;
  }
  const { rows: mismatches } = await client.query<StateMismatch>(
    `${stateMismatches(agent)} limit ${mostSuspects + 1}`,
    [range.since, range.until, ...only],
  );
  return { rows, mismatches, ...(await misdatedReceipts(client, range, agent)) };
}
