/** One dump of what is in no chain, in one snapshot; beside the segments, in the same bucket. */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { isTaken, type Bucket } from "../archive/bucket";
import { dumpFolder, dumpKey, partKey } from "../archive/keys";
import { assertFollows, assertReaches, newestOf, type Newest } from "../archive/newest";
import { assertNotBehind, logPosition } from "../archive/position";
import { storeCompressed } from "../archive/stored";
import type { Log } from "../log";
import { newestMigration } from "../migrate/ledger";
import { inSnapshot } from "../verify/session";
import { notedParts, notePart } from "./begun";
import { dueBy, isCompared, isOld, type Due } from "./due";
import { dumps, encodeDump, type Dump, type Part } from "./manifest";
import { describe, isSame, nameOf, rowsOf, sourcesOf, type Source } from "./parts";
import { fullName, leftOut, readSequences, readTables } from "./tables";

export interface Dumper {
  client: pg.Client;
  bucket: Bucket;
  /** Of the deployment: its name. */
  environment: string;
  log: Log;
  /** The number of the newest dump, as the database was told. */
  told: number;
  /** The newest manifest of segments. */
  manifest: number;
  /** Default: by the database's clock. */
  now?: () => number;
}

export interface Dumped {
  /** All that was there by then is in the bucket. */
  until: string;
  number: number;
  /** Parts that were written. */
  written: number;
}

/** Where it is due. */
export async function dump(dumper: Dumper): Promise<Dumped> {
  const { client, bucket, told, log } = dumper;
  const newest = await newestOf(bucket, dumps);
  if (newest) await assertFollows(bucket, dumpFolder, newest.manifest);
  const number = newest?.manifest.number ?? 0;
  assertReaches(bucket, "dump", number, told);
  await assertNotBehind(client, newest?.manifest.lsn);
  return inSnapshot(client, async () => {
    const schema = await newestMigration(client);
    const asOf = await snapshotTime(client);
    const now = dumper.now?.() ?? Date.parse(asOf);
    const due = dueBy(now, newest?.manifest, schema.number);
    const unchanged = (until: string): Dumped => ({ until, number, written: 0 });
    if (newest && !due.any) return unchanged(newest.manifest.as_of);

    const next: Omit<Dump, "parts"> = {
      format: 1,
      number: number + 1,
      previous: newest?.sha256 ?? null,
      environment: dumper.environment,
      schema,
      lsn: await logPosition(client),
      as_of: asOf,
      whole: due.whole ? asOf : (newest?.manifest.whole ?? asOf),
      manifest: dumper.manifest,
      ...(await layout(client)),
      ...(bucket.lock && { lock: bucket.lock }),
    };
    const parts = await readParts(dumper, newest, next.number, { asOf, now }, due);
    const written = parts.filter((part) => part.written === asOf).length;
    const manifest: Dump = { ...next, parts };
    const changed = parts.some((part) => !newest?.manifest.parts.includes(part));
    if (newest && !due.whole && !changed && isSameLayout(manifest, newest.manifest)) return unchanged(asOf);
    try {
      await bucket.putNew(dumpKey(next.number), encodeDump(manifest), "application/json");
    } catch (error) {
      if (!isTaken(error) || !newest) throw error;
      log.warn("another run was faster: the dump of this one counts for nothing", { number: next.number });
      return unchanged(newest.manifest.as_of);
    }
    log.info("dumped", { number: next.number, parts: parts.length, written });
    return { until: asOf, number: next.number, written };
  });
}

async function layout(client: pg.Client): Promise<Pick<Dump, "months" | "sequences" | "left_out">> {
  const tables = await readTables(client);
  return {
    months: tables.flatMap(({ schema, name, months }) =>
      months ? [{ schema, table: name, names: months.map((month) => month.name) }] : [],
    ),
    sequences: await readSequences(client),
    left_out: Object.fromEntries(
      tables.map(fullName).flatMap((name) => (name in leftOut ? [[name, leftOut[name] ?? ""]] : [])),
    ),
  };
}

const isSameLayout = (a: Dump, b: Dump): boolean =>
  JSON.stringify([a.months, a.sequences, a.parts.map(nameOf)]) ===
  JSON.stringify([b.months, b.sequences, b.parts.map(nameOf)]);

/** Writes what has changed; what has not is where an earlier dump wrote it. */
async function readParts(
  { client, bucket }: Dumper,
  newest: Newest<Dump> | undefined,
  number: number,
  { asOf, now }: { asOf: string; now: number },
  due: Due,
): Promise<Part[]> {
  const there = new Map(newest?.manifest.parts.map((part) => [nameOf(part), part]));
  const noted = await notedParts(bucket, number);
  const parts: Part[] = [];
  for (const source of sourcesOf(await readTables(client))) {
    bucket.signal.throwIfAborted();
    const name = nameOf({ schema: source.table.schema, table: source.table.name, month: source.month?.name });
    const known = there.get(name);
    if (known && !isCompared(known, due)) {
      parts.push(known);
      continue;
    }
    const here = await describe(client, source, asOf);
    const same = [known, noted.get(name)].find((part) => part && isSame(here, part) && !isOld(now, part));
    const part = same ?? (await writePart(client, bucket, source, here, number));
    if (part.written === asOf) await notePart(bucket, number, part);
    parts.push(part);
  }
  return parts;
}

async function writePart(
  client: pg.Client,
  bucket: Bucket,
  source: Source,
  part: Omit<Part, "object" | "lock">,
  number: number,
): Promise<Part> {
  const key = partKey(part.written.slice(0, 10), number, randomBytes(6).toString("hex"));
  const object = part.rows === 0 ? undefined : await storeCompressed(bucket, key, rowsOf(client, source));
  if ((object?.rows ?? 0) !== part.rows)
    throw new Error(`${nameOf(part)} has ${part.rows} rows in this snapshot, and ${object?.rows ?? 0} were written`);
  return { ...part, ...(object && { object, ...(bucket.lock && { lock: bucket.lock }) }) };
}

async function snapshotTime(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ at: string }>(
    `select to_char(case when pg_is_in_recovery() then coalesce(pg_last_xact_replay_timestamp(), now()) else now() end at time zone 'UTC',
                    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
  );
  return rows[0]?.at ?? "";
}
