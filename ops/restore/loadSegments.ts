/** Puts every segment into the chains, in their order, checked as it passes; then what follows from them. */
import type pg from "pg";
import { sayForks } from "../archive/acceptFork";
import type { Bucket } from "../archive/bucket";
import { archivedKinds, archivedNames } from "../archive/chains";
import type { Taker } from "../archive/checkSegment";
import type { Manifest } from "../archive/manifest";
import { sqlState } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";
import type { CopyIn } from "./copyIn";
import { buildIndexes, dropIndexes } from "./indexes";
import { readBucket, type Read, type Store } from "./readBucket";
import { copyOf, rowOf } from "./rows";
import { applyChanges, dropBranch, forgetImports, forgetSearchIndex, makeHeads } from "./settle";
import { withoutTriggers } from "./triggers";

export interface Loaded {
  receipts: number;
  changes: number;
  /** Manifests read, oldest first. */
  manifests: {
    count: number;
    oldest: number;
    newest: Manifest;
    /** Months that were read from their archives. */ archives: number;
  };
  /** What is wrong in the bucket and kept nothing from being restored: rows that were archived twice, a month that cannot be read; one sentence each. */
  flaws: string[];
}

/** In one transaction: all of it, or nothing. @param upTo what came to the bucket later belongs to no dump that was chosen before */
export async function loadSegments(client: pg.Client, bucket: Bucket, upTo: number, log: Log): Promise<Loaded> {
  const statusOf = await statuses(client);
  const read = { rows: 0, count: 0, oldest: 0, last: undefined as Manifest | undefined };
  const stored = { receipts: 0, changes: 0 };
  let from: Read = { archives: [], doubts: [] };
  let twice = new Set<string>();
  const say = every(10_000, () =>
    log.info("segments", { rows: read.rows, manifest: read.last?.archive.number ?? 0, of: upTo }),
  );
  await withoutTriggers(
    client,
    archivedNames.map((name) => archivedKinds[name].table),
    async (copy) => {
      const indexes = await dropIndexes(client, [archivedKinds.receipts.table, archivedKinds.history.table]);
      let importsFrom: number | undefined;
      /** The last import that was stored, of those of the segment. */
      let imported = 0;
      const taker: Taker = {
        async manifest({ archive: { number, pieces, forks = [] } }) {
          importsFrom = pieces.find(({ chain }) => chain === "imports")?.first;
          imported = 0;
          if (forks.length === 0) return;
          log.warn(`a branch is left out for another: ${sayForks(forks)}`, { manifest: number });
          await copy.end();
          for (const fork of forks) await dropBranch(client, fork);
        },
        async lines(lines) {
          read.rows += lines.length;
          const byChain: Record<string, string[]> = {};
          for (const line of lines) {
            const { chain, row, place } = rowOf(line, statusOf);
            if (place !== undefined && place <= imported) {
              twice.add(`import ${place} was archived twice: what was archived first is restored`);
              continue;
            }
            imported = place ?? imported;
            (byChain[chain] ??= []).push(row);
          }
          if (byChain["imports"] && importsFrom !== undefined) {
            await copy.end();
            await forgetImports(client, importsFrom);
            importsFrom = undefined;
          }
          for (const chain of archivedNames)
            if (byChain[chain]) await copy.write(copyOf[chain], Buffer.from(`${byChain[chain].join("\n")}\n`));
          say();
        },
      };
      const store: Store = {
        taker,
        take(manifest) {
          read.count++;
          read.oldest ||= manifest.archive.number;
          read.last = manifest;
        },
        async orUndo(work) {
          const before = [{ ...read }, new Set(twice)] as const;
          await copy.orUndo(work).catch((error: unknown) => {
            Object.assign(read, before[0]);
            twice = before[1];
            throw refusedRow(error) ?? error;
          });
        },
      };
      from = await readBucket(bucket, upTo, store, log);
      await copy.end();
      const { last } = read;
      if (!last) throw new Failure(`there is no segment in the bucket ${bucket.name}`);
      Object.assign(stored, counts(copy));
      log.info("segments are stored", stored);
      // Before rows are updated: an index over rows of which this transaction has older versions is not for every snapshot.
      await buildIndexes(client, indexes, log);
      await applyChanges(client);
      await makeHeads(client, last);
      await forgetImports(client, last.imports.seq + 1);
      await forgetSearchIndex(client);
    },
  );
  if (!read.last) throw new Error("a restore has ended without a manifest");
  return {
    ...stored,
    manifests: { count: read.count, oldest: read.oldest, newest: read.last, archives: from.archives.length },
    flaws: [...twice, ...from.doubts],
  };
}

/** What the server does not take of an archive that was altered (data exceptions, violated constraints) may be right in its segments. */
function refusedRow(error: unknown): Failure | undefined {
  if (!/^2[23]/.test(sqlState(error) ?? "")) return undefined;
  return Object.assign(new Failure(`the server does not take a row of it: ${(error as Error).message}`), {
    cause: error,
  });
}

const counts = ({ stored }: CopyIn) => ({
  receipts: stored.get(copyOf.receipts) ?? 0,
  changes: stored.get(copyOf.history) ?? 0,
});

/** What a receipt is born with, by its decision: asked for once, since the database says it (sql/011). */
async function statuses(client: pg.Client): Promise<(outcome: string) => string> {
  const { rows } = await client.query<{ outcome: string; status: string }>(
    `select outcome, audit.birth_state(outcome, now()) ->> 'status' as status
       from unnest(array['allow', 'require_approval', 'deny', 'rate_limited', 'any other']) outcome`,
  );
  const known = new Map(rows.map(({ outcome, status }) => [outcome, status]));
  return (outcome) => known.get(outcome) ?? known.get("any other") ?? "";
}

function every(milliseconds: number, work: () => void): () => void {
  let last = Date.now();
  return () => {
    if (Date.now() - last < milliseconds) return;
    last = Date.now();
    work();
  };
}
