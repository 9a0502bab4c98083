/** Reads what was asked for, chunk by chunk, on all connections at once. */
import type pg from "pg";
import type { StretchRow } from "./chain";
import { chainNames, ofEachChain, type ChainName } from "./chainKinds";
import { Chunks } from "./chunks";
import { inOrder } from "./orderedPool";
import type { Progress } from "./progress";
import { stretches, type Range } from "./queries";
import type { Request } from "./request";
import type { ResumeFile } from "./resumeFile";
import { inSnapshot } from "./session";
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
    next: (client) => inSnapshot(client, () => chunks.next(client)),
    // Each chunk in a snapshot of its own: what is sealed does not change, so that it need not be seen at one moment.
    work: (client, chunk) => inSnapshot(client, () => read(client, chunk, progress, request)),
    // In the order of the chunks: what the resume file holds is then all of time up to one moment.
    take: (results, chunk) => {
      for (const name of chainNames) progress.counted[name] += progress.take(name, results.rows[name]);
      progress.addMismatches(results.mismatches);
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
}

async function read(client: pg.Client, range: Range, progress: Progress, { agent }: Request): Promise<Results> {
  const only = agent === undefined ? [] : [agent];
  const rows = ofEachChain((): StretchRow[] => []);
  for (const name of chainNames) {
    const anchored = [...progress.anchorPlaces[name]].flatMap(([of, places]) =>
      agent === undefined || agent === of ? [...places.keys()].map((seq): [string, number] => [of, seq]) : [],
    );
    const parameters = anchored.length > 0 ? [anchored.map(([of]) => of), anchored.map(([, seq]) => seq)] : [];
    const text = stretches(name, { agent, anchored: anchored.length > 0 });
    rows[name] = (await client.query<StretchRow>(text, [range.since, range.until, ...only, ...parameters])).rows;
  }
  const { rows: mismatches } = await client.query<StateMismatch>(stateMismatches(agent), [
    range.since,
    range.until,
    ...only,
  ]);
  return { rows, mismatches };
}
