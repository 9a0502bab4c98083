/** Writes the segments of one month, with their manifests, into one object; reads it back, and only then makes it count. */
import { randomBytes } from "node:crypto";
import { standing } from "../archive/advance";
import type { Bucket } from "../archive/bucket";
import { checkManifests, type Reading } from "../archive/check";
import type { ArchivedName } from "../archive/chains";
import { endsOf } from "../archive/ends";
import { archiveKey, monthKey } from "../archive/keys";
import type { Line } from "../archive/lines";
import type { Manifest } from "../archive/manifest";
import { saysTouched, type Newest } from "../archive/newest";
import { storeCompressed, type Block } from "../archive/stored";
import { Failure } from "../program";
import { Channel } from "./channel";
import { checkMonth, headerOf } from "./check";
import { encodeMonth, type Month } from "./manifest";

export interface MonthToWrite {
  bucket: Bucket;
  environment: string;
  /** "2026-11", and when it ends. */
  month: string;
  end: Date;
  /** The archive of the month before. */
  newest: Newest<Month> | undefined;
  /** Where that ends, or what the oldest segment is preceded by. */
  reading: Reading;
}

/** Stores object and manifest. @throws what `isTaken` where another run was faster: the object of this one counts for nothing */
export async function writeMonth({ bucket, environment, month, end, newest, reading }: MonthToWrite): Promise<Month> {
  const number = (newest?.manifest.number ?? 0) + 1;
  const key = archiveKey(month, number, randomBytes(6).toString("hex"));
  const [from, before] = [standing(reading.ends ?? endsOf(undefined)), reading.before?.sha256 ?? null];
  const made: Month["made"] = {};
  const forks: Month["forks"] = [];
  const through: Manifest[] = [];

  const blocks = new Channel<Block>();
  const read = async () => {
    const taker = {
      manifest: (_: Manifest, document: unknown) => blocks.put({ bytes: headerOf(document), rows: 1 }),
      lines: (lines: Buffer[]) => blocks.put({ bytes: joined(lines), rows: lines.length }),
      row(chain: ArchivedName, { month: of }: Line) {
        if (chain === "imports") return;
        const counts = (made[of] ??= { receipts: 0, changes: 0 });
        counts[chain === "receipts" ? "receipts" : "changes"]++;
      },
    };
    const stop = ({ as_of: asOf }: Manifest) => Date.parse(asOf) >= end.getTime();
    for await (const { manifest, problems, expired } of checkManifests(bucket, reading, taker, { stop })) {
      bucket.signal.throwIfAborted();
      // What was hidden or overwritten was read as it was first written.
      const wrong = problems.filter((problem) => !saysTouched(problem));
      if (wrong.length > 0 || !manifest || expired === "segment")
        throw new Failure(`${month} is not compacted: its segments in the bucket ${bucket.name} are not whole`, [
          ...wrong,
          "docs/runbooks/archive-flawed.md says how to go on.",
        ]);
      // The first and the last.
      through.splice(1, 1, manifest);
      forks.push(...(manifest.archive.forks ?? []));
    }
  };
  const object = await blocks.through(read, (source) => storeCompressed(bucket, key, source));
  const [first, last = first] = through;
  if (!object || !first || !last) throw new Error(`${month} has no segment`);
  const written: Month = {
    format: 1,
    number,
    previous: newest?.sha256 ?? null,
    environment,
    month,
    manifests: {
      first: first.archive.number,
      last: last.archive.number,
      sha256: reading.before?.sha256 ?? "",
      before,
      ...(reading.before?.forks !== undefined && { forks: reading.before.forks }),
    },
    as_of: last.as_of,
    object,
    ...(bucket.lock && { lock: bucket.lock }),
    made,
    forks,
    checkpoint: last.checkpoint,
    from,
    to: { chains: last.chains, imports: last.imports },
  };
  for await (const { problems } of checkMonth(bucket, written))
    if (problems.length > 0) throw new Failure(`${key} was not written as the segments are`, problems);
  await bucket.putNew(monthKey(number), encodeMonth(written), "application/json");
  return written;
}

const newline = Buffer.from("\n");
const joined = (lines: readonly Buffer[]) => Buffer.concat(lines.flatMap((line) => [line, newline]));
