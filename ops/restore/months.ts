/** The months that tables are divided by, as they were. */
import type pg from "pg";
import type { Dump } from "../dump/manifest";

/** Each table's in a transaction of its own, since one holds a lock for every index of every month. */
export async function makeMonths(client: pg.Client, { months }: Pick<Dump, "months">): Promise<void> {
  for (const { schema, table, names } of months) {
    const wanted = names.filter((name) => /^\d{4}-\d{2}$/.test(name)).map((name) => `${name}-01`);
    const [first, ...others] = wanted;
    if (first === undefined) continue;
    await client.query("begin");
    const parent = (
      await client.query<{ parent: string; options: string[] }>(
        `select parent::regclass::text as parent, (audit.future_partition(parent)).options
           from (select to_regclass(format('%I.%I', $1::text, $2::text)) as parent) t`,
        [schema, table],
      )
    ).rows[0];
    const { rows: there } = await client.query<{ partition: string }>(
      "select partition::text from audit.list_partitions() where parent = $1::regclass",
      [parent?.parent],
    );
    // The migrations made them a moment ago, around this month; nothing is in them.
    for (const { partition } of there) await client.query(`drop table ${partition}`);
    await client.query("select audit.partition_by_month($1::regclass, $2::date, $3::text[])", [
      parent?.parent,
      first,
      parent?.options,
    ]);
    for (const month of others)
      await client.query("select audit.make_month($1::regclass, $2::date)", [parent?.parent, month]);
    await client.query("commit");
  }
}
