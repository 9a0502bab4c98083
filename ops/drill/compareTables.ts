/**
 * What is in no chain, in two databases that were restored in different ways. The bucket's is of the dump's moment, the copies' of a later one: a part is
 * compared where the copies, which are the primary's files, have the very versions of its rows that the dump was written from.
 */
import type pg from "pg";
import { archivedKinds } from "../archive/chains";
import type { Dump } from "../dump/manifest";
import { contentsOf, describe, isSame, nameOf, sourcesOf, type Source } from "../dump/parts";
import { readTables } from "../dump/tables";
import { chainKinds, chainNames } from "../verify/chainKinds";
import type { Side } from "./compareChains";

export interface TablesCompared {
  /** Tables, or months of one, with the same rows in both. */
  same: number;
  /** Those that were written to since the dump: there is nothing to compare them with. */
  changedSince: string[];
  differences: string[];
}

export async function compareTables(copies: Side, bucket: Side, dump: Dump): Promise<TablesCompared> {
  const [here, there] = [await sourcesBy(copies.client), await sourcesBy(bucket.client)];
  const result: TablesCompared = { same: 0, changedSince: [], differences: [] };
  // What is in chains, and follows from them, is compared by itself.
  const chained = [...chainNames.map((name) => chainKinds[name].heads), archivedKinds.imports.table];
  for (const part of dump.parts.filter(({ schema, table }) => !chained.includes(`${schema}.${table}`))) {
    const name = nameOf(part);
    const [one, other] = [here.get(name), there.get(name)];
    if (!one || !isSame(await describe(copies.client, one, dump.as_of), part)) {
      result.changedSince.push(name);
      continue;
    }
    const expected = await contentsOf(copies.client, one);
    const found = other && (await contentsOf(bucket.client, other));
    if (found?.rows === expected.rows && found.digest === expected.digest) result.same++;
    else
      result.differences.push(
        found?.rows === expected.rows
          ? `${name}: both have ${found.rows} rows, and they are not the same in ${copies.name} and in ${bucket.name}, though nothing was written there since the dump`
          : `${name}: ${copies.name} has ${expected.rows} rows, and ${bucket.name} ${found?.rows ?? "no such table"}, though nothing was written there since the dump`,
      );
  }
  return result;
}

async function sourcesBy(client: pg.Client): Promise<Map<string, Source>> {
  const sources = sourcesOf(await readTables(client));
  return new Map(
    sources.map((source) => {
      const { table, month } = source;
      return [nameOf({ schema: table.schema, table: table.name, month: month?.name }), source];
    }),
  );
}
