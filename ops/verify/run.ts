/** One verification, from the question to the report. */
import type pg from "pg";
import { Failure } from "../program";
import { anchorDigest, type Anchor } from "./anchors";
import { readCatalog, type Catalog } from "./catalog";
import { Chunks } from "./chunks";
import { explain } from "./explain";
import { named, sortFindings, type Finding } from "./findings";
import { historyRuns, receiptRuns, type Range } from "./queries";
import { resolveGaps } from "./resolve";
import type { ChainName, RunRow } from "./runs";
import { openSession, snapshotLost } from "./session";
import { unexplained, type Unexplained } from "./state";
import { StateFile } from "./stateFile";
import { Trail, names } from "./trail";

export interface Request {
  url: string;
  signal: AbortSignal;
  /** ISO times; receipts made in [since, until). */
  since?: string | undefined;
  until?: string | undefined;
  agent?: string | undefined;
  anchors: readonly Anchor[];
  /** Only what came after this anchor. */
  from?: Anchor | undefined;
  stateFile?: string | undefined;
  connections: number;
  /** Receipts per chunk. */
  chunk: number;
  /** Nothing to verify is an answer too. */
  allowEmpty: boolean;
  onProgress?: (progress: Progress) => void;
}

export interface Progress {
  receipts: number;
  changes: number;
  /** Of all receipts in the database, a guess. */
  estimate: number;
}

export interface Report {
  ok: boolean;
  asOf: string;
  standby: boolean;
  scope: { since?: string; until?: string; agent?: string; from?: string; anchors: number };
  verified: { receipts: number; changes: number; agents: number; checkpoints: number };
  /** Partitions that checkpoints stand for: their rows are elsewhere, and only their ends were verified. */
  archived: string[];
  /** The earliest broken place. */
  first?: Finding;
  findings: Finding[];
  /** Broken places beyond those that are listed. */
  more: number;
  seconds: number;
  receiptsPerSecond: number;
}

const mostFindings = 100;
const mostSnapshots = 20;

export async function verify(request: Request): Promise<Report> {
  const started = Date.now();
  const everything = request.from ? [...request.anchors, request.from] : request.anchors;
  const trail = new Trail(request.since === undefined && request.until === undefined, request.from);
  for (const anchor of everything) {
    if (anchorDigest(anchor) !== anchor.digest)
      trail.findings.push({
        kind: "altered-anchor",
        message: `the anchor of ${anchor.as_of} (${anchor.source}) is not what its digest says`,
      });
    trail.addAnchor(anchor);
  }
  const state = request.stateFile === undefined ? undefined : new StateFile(request.stateFile, question(request));
  const saved = state?.read();
  if (saved) trail.restore(saved);

  let snapshots = saved ? 1 : 0;
  for (;;) {
    snapshots++;
    const session = await openSession(request.url, request.connections, request.signal);
    try {
      const [client] = session.clients;
      if (!client) throw new Error("no connection");
      const catalog = await readCatalog(client, everything);
      const verifiedBefore = trail.receipts;
      await scan(session.clients, trail, request, catalog, state);
      const findings = await conclude(client, trail, catalog, request, snapshots > 1);
      state?.remove();
      const seconds = (Date.now() - started) / 1000;
      const sorted = sortFindings(findings);
      return {
        ok: sorted.length === 0,
        asOf: catalog.asOf,
        standby: catalog.standby,
        scope: scope(request),
        verified: {
          receipts: trail.receipts,
          changes: trail.changes,
          agents: trail.chains.receipts.size,
          checkpoints: catalog.checkpointCount,
        },
        archived: [...catalog.archived].sort(),
        ...(sorted[0] ? { first: sorted[0] } : {}),
        findings: sorted.slice(0, mostFindings),
        more: Math.max(0, sorted.length - mostFindings) + trail.uncounted,
        seconds,
        receiptsPerSecond: Math.round((trail.receipts - verifiedBefore) / seconds),
      };
    } catch (error) {
      request.signal.throwIfAborted();
      // A standby replays over what a long snapshot still sees. What was verified stays verified.
      if (!snapshotLost(error) || snapshots > mostSnapshots) throw error;
    } finally {
      await session.close();
    }
  }
}

const scope = ({ since, until, agent, from, anchors }: Request): Report["scope"] => ({
  ...(since === undefined ? {} : { since }),
  ...(until === undefined ? {} : { until }),
  ...(agent === undefined ? {} : { agent }),
  ...(from === undefined ? {} : { from: from.as_of }),
  anchors: anchors.length,
});

const question = (request: Request) => ({
  ...scope(request),
  digests: [...request.anchors, ...(request.from ? [request.from] : [])].map((anchor) => anchor.digest),
});

const hour = 3_600_000;

async function scan(
  clients: pg.Client[],
  trail: Trail,
  request: Request,
  catalog: Catalog,
  state: StateFile | undefined,
): Promise<void> {
  // Receipts dated back by more than this are found by the gap they leave.
  const fromAnchor = request.from && new Date(Date.parse(request.from.as_of) - hour).toISOString();
  const since = trail.doneUntil ?? request.since ?? fromAnchor ?? "-infinity";
  const until = request.until ?? "infinity";
  if (trail.doneUntil === until) return;
  const chunks = new Chunks({ since, until }, request.chunk, request.agent);
  // Results are taken in the order of the chunks: what a state file holds is then all of time up to one moment.
  let applied: Promise<void> = Promise.resolve();
  let failed = false;
  const work = async (client: pg.Client) => {
    // While one chunk's results wait for their turn, the next is read already; but never more than one.
    let waiting: Promise<void> | undefined;
    try {
      for (;;) {
        request.signal.throwIfAborted();
        let mine: Promise<void> | undefined;
        let finish: (apply: (() => void) | undefined) => void = () => undefined;
        const range = await chunks.next(client).then((next) => {
          // In the same turn in which the chunk was cut, so that turns are in order.
          if (next) {
            const ready = new Promise<(() => void) | undefined>((resolve) => (finish = resolve));
            mine = applied = applied.then(async () => (await ready)?.());
            mine.catch(() => undefined); // it is awaited later
          }
          return next;
        });
        if (!range || failed) {
          finish(undefined);
          return await waiting;
        }
        try {
          const results = await read(client, range, trail, request);
          finish(() => {
            if (failed) return;
            apply(trail, results);
            trail.doneUntil = range.until;
            state?.write(() => trail.save(range.until));
            request.onProgress?.({ receipts: trail.receipts, changes: trail.changes, estimate: catalog.estimate });
          });
        } catch (error) {
          failed = true;
          finish(undefined);
          throw error;
        }
        await waiting;
        waiting = mine;
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const results = await Promise.allSettled(clients.map(work));
  const rejected = results.find((result) => result.status === "rejected");
  if (rejected) {
    request.signal.throwIfAborted();
    throw rejected.reason;
  }
}

interface Results {
  rows: Record<ChainName, RunRow[]>;
  unexplained: Unexplained[];
}

async function read(client: pg.Client, range: Range, trail: Trail, { agent }: Request): Promise<Results> {
  const only = agent === undefined ? [] : [agent];
  const runs = async (name: ChainName) => {
    const wanted = [...trail.points[name]].flatMap(([of, places]) =>
      agent === undefined || agent === of ? [...places.keys()].map((seq): [string, number] => [of, seq]) : [],
    );
    const points = wanted.length > 0;
    const text = (name === "receipts" ? receiptRuns : historyRuns)({ agent, points });
    const parameters = points ? [wanted.map(([of]) => of), wanted.map(([, seq]) => seq)] : [];
    return (await client.query<RunRow>(text, [range.since, range.until, ...only, ...parameters])).rows;
  };
  return {
    rows: { receipts: await runs("receipts"), history: await runs("history") },
    unexplained: (await client.query<Unexplained>(unexplained(agent), [range.since, range.until, ...only])).rows,
  };
}

function apply(trail: Trail, { rows, unexplained }: Results): void {
  trail.receipts += trail.take("receipts", rows.receipts);
  trail.changes += trail.take("history", rows.history);
  trail.addUnexplained(unexplained);
}

async function conclude(
  client: pg.Client,
  trail: Trail,
  catalog: Catalog,
  request: Request,
  renewed: boolean,
): Promise<Finding[]> {
  const ranged = request.since !== undefined || request.until !== undefined;
  const asked = { receipts: trail.receipts, changes: trail.changes };
  const gaps = await resolveGaps(client, trail, catalog, {
    upTo: request.until === undefined ? "head" : "next",
    everyAgent: !ranged,
    lookElsewhere: ranged || renewed || request.from !== undefined,
    agent: request.agent,
  });
  const explained = await explain(client, trail, catalog);
  // A receipt that was moved leaves the place it came from empty: one finding, not two.
  const places = new Set(
    explained.flatMap(({ kind, agent, belongsAt }) =>
      kind === "reordered" && belongsAt !== undefined ? [`${agent}\n${belongsAt}`] : [],
    ),
  );
  const findings = [
    ...trail.findings,
    ...catalog.findings,
    ...gaps.filter(
      ({ kind, agent, seq, lastSeq }) =>
        kind === "altered-history" || lastSeq !== undefined || !places.has(`${agent}\n${seq}`),
    ),
    ...explained,
    ...anchoredAway(trail, catalog, request),
  ];
  trail.receipts = asked.receipts;
  trail.changes = asked.changes;
  if (asked.receipts === 0 && !request.allowEmpty && request.from === undefined && findings.length === 0) {
    const what = request.agent !== undefined ? `of ${named(request.agent)} ` : "";
    findings.push({
      kind: "nothing-verified",
      message: `there is no receipt ${what}${ranged ? "in this time" : "here"}: nothing was verified (--allow-empty accepts that)`,
    });
  }
  return findings;
}

/** Places that anchors name and nothing shows any more. */
function anchoredAway(trail: Trail, catalog: Catalog, request: Request): Finding[] {
  const findings: Finding[] = [];
  for (const name of names) {
    for (const [agent, places] of trail.points[name]) {
      if (request.agent !== undefined && request.agent !== agent) continue;
      const last = trail.chains[name].get(agent)?.runs.at(-1)?.last ?? 0;
      for (const point of catalog.checkpoints[name].get(agent) ?? [])
        trail.compare(name, agent, point.last, point.seal);
      const beyond = [...places].filter(([seq]) => seq > last).sort(([a], [b]) => b - a)[0];
      if (!beyond) continue;
      const [seq, { anchor }] = beyond;
      const replayed =
        catalog.standby && catalog.asOf < anchor.as_of ? `; this standby has replayed up to ${catalog.asOf}` : "";
      const message = `the chain of ${named(agent)} ends at ${name === "history" ? "change" : "receipt"} ${last}; at ${anchor.as_of} it reached ${seq} (${anchor.source})${replayed}`;
      findings.push({
        kind: name === "history" ? "altered-history" : "cut-off-tail",
        message,
        agent,
        seq: last + 1,
        lastSeq: seq,
      });
    }
  }
  return findings;
}

/** One line for people. */
export function summary(report: Report): string {
  const { receipts, changes, agents } = report.verified;
  const what = `${receipts} receipts, ${changes} changes, ${agents} chains in ${report.seconds.toFixed(1)} s (${report.receiptsPerSecond}/s), as of ${report.asOf}`;
  if (!report.ok) return `verified ${what}`;
  const { since, until, agent, from } = report.scope;
  const limits = [
    ...(agent === undefined ? [] : [`of ${named(agent)}`]),
    ...(since === undefined ? [] : [`since ${since}`]),
    ...(until === undefined ? [] : [`until ${until}`]),
    ...(from === undefined ? [] : [`after the anchor of ${from}`]),
  ];
  const gone = report.archived.length === 0 ? "" : `; archived and not verified here: ${report.archived.join(", ")}`;
  return `${limits.length === 0 ? "the trail is whole" : `the trail ${limits.join(", ")} is whole`}: ${what}${gone}`;
}

/** The failure that a report with findings is. */
export function failure(report: Report): Failure {
  const count = report.findings.length + report.more;
  const [first, ...others] = report.findings;
  return new Failure(
    `${count} ${count === 1 ? "finding" : "findings"}; the first: ${first?.kind}: ${first?.message}`,
    others.slice(0, 9).map(({ kind, message }) => `${kind}: ${message}`),
  );
}
