/** Puts a dump's parts into the tables that the migrations made. */
import pg from "pg";
import type { Bucket } from "../archive/bucket";
import { firstVersionOf } from "../archive/newest";
import { readCompressed } from "../archive/stored";
import { nameOf } from "../dump/parts";
import type { Dump, Part } from "../dump/manifest";
import { fullName, isLeftOut, leftOut, readTables, type Table } from "../dump/tables";
import type { Log } from "../log";
import { Failure } from "../program";
import type { CopyIn } from "./copyIn";
import { withoutTriggers } from "./triggers";

/** In one transaction: all of it, or nothing. Returns how many rows there are. */
export async function loadDump(client: pg.Client, bucket: Bucket, dump: Dump, log: Log): Promise<number> {
  const tables = new Map((await readTables(client)).map((table) => [fullName(table), table]));
  const targets = dump.parts.map((part) => targetOf(part, tables));
  const filled = [...new Set(targets)].map(({ sql }) => sql);
  const missing = [...tables.values()].filter((table) => !targets.includes(table) && !isLeftOut(table));
  if (missing.length > 0)
    throw new Failure(`dump ${dump.number} has nothing of ${missing.map(fullName).join(", ")}, which it should hold`);
  let rows = 0;
  await withoutTriggers(client, filled, async (copy) => {
    // What migrations put there is in the dump as well.
    await client.query(`truncate ${filled.join(", ")}`);
    for (const [i, part] of dump.parts.entries()) {
      const target = targets[i];
      if (target && part.object) rows += await loadPart(copy, bucket, part, part.object, target);
      log.info("dump", { part: nameOf(part), rows: part.rows });
    }
    for (const { schema, name, last } of dump.sequences)
      if (last !== null)
        await client.query("select setval(format('%I.%I', $1::text, $2::text)::regclass, $3)", [schema, name, last]);
  });
  return rows;
}

function targetOf(part: Part, tables: ReadonlyMap<string, Table>): Table {
  const name = fullName({ schema: part.schema, name: part.table });
  const why = leftOut[name];
  if (why !== undefined)
    throw new Failure(`the dump has ${nameOf(part)}, which no dump holds (${why}): the archiver did not write it`);
  const table = tables.get(name);
  if (!table) throw new Failure(`the dump has ${nameOf(part)}, a table that these migrations do not make`);
  const columns = ({ columns }: Pick<Table, "columns">) =>
    columns
      .map(({ name, type }) => `${name} ${type}`)
      .sort()
      .join(", ");
  if (columns(table) !== columns(part))
    throw new Failure(`${nameOf(part)} has the columns ${columns(part)} in the dump, and ${columns(table)} here`);
  return table;
}

async function loadPart(
  copy: CopyIn,
  bucket: Bucket,
  part: Part,
  object: NonNullable<Part["object"]>,
  { sql }: Table,
): Promise<number> {
  const first = await firstVersionOf(bucket, object.key);
  if (!first) throw new Failure(`${object.key} is gone from the bucket ${bucket.name}: it holds ${nameOf(part)}`);
  const columns = part.columns.map(({ name }) => pg.escapeIdentifier(name)).join(", ");
  const statement = `copy ${sql} (${columns}) from stdin`;
  const before = copy.stored.get(statement) ?? 0;
  for await (const { bytes } of readCompressed(bucket, object, { version: first.version }))
    await copy.write(statement, bytes);
  await copy.end();
  const stored = (copy.stored.get(statement) ?? 0) - before;
  if (stored !== part.rows)
    throw new Failure(`${nameOf(part)}: ${stored} rows were stored, its manifest says ${part.rows}`);
  return stored;
}
