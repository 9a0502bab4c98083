import { roles } from "../ops/roles";
import { fillStatement } from "./payload";
import { pgbench, printTable, type Lab } from "./lab";

const perMonth = 1000;

/** A table of so many past months, with every index that production has, unsealed. */
export async function fill({ owner: { whole } }: Lab, months: number): Promise<string> {
  const table = `months_${months}`;
  const start = new Date();
  const month = (offset: number) =>
    new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + offset, 1)).toISOString();
  await whole.query(`create table ${table} (like receipts including all) partition by range (created_at);
    alter table ${table} alter column chain_seq set default 1, alter column chain_seal set default '', alter column sealed_at set default now(), alter column receipt_hash set default '';
    select audit.partition_by_month('${table}', first_month => '${month(1 - months)}'::timestamptz::date)`);
  for (let m = 2 - months; m <= 0; m++)
    await whole.query("select audit.make_month($1, $2::timestamptz::date)", [table, month(m)]);
  for (let m = 1 - months; m <= 0; m++)
    await whole.query(
      fillStatement(
        table,
        (m + months - 1) * perMonth,
        perMonth,
        month(m),
        m === 0 ? start.toISOString() : month(m + 1),
      ),
    );
  await whole.query(`grant select on ${table} to ${roles.app}`);
  await whole.query(`vacuum analyze ${table}`); // or autovacuum does it while the reads are measured
  return table;
}

/** Milliseconds per read, parsed and planned each time as the control plane's driver does. */
export async function reads(lab: Lab): Promise<void> {
  const seconds = lab.quick ? 2 : 5;
  const rows: (string | number)[][] = [];
  let first: number[] | undefined;
  for (const months of lab.quick ? [1, 36] : [1, 12, 36, 84]) {
    const table = await fill(lab, months);
    const read = async (script: string) => {
      const rates = [];
      for (let i = 0; i < 3; i++)
        rates.push(await pgbench(lab, lab.whole.url(roles.app), script, { seconds, mode: "extended" }));
      return 1000 / Math.max(...rates);
    };
    const id = `md5((:n)::text)::uuid;\n`;
    const random = `\\set n random(0, ${months * perMonth - 1})\n`;
    // The very function, with this table in place of receipts.
    const { rows: definitions } = await lab.owner.whole.query<{ source: string }>(
      "select pg_get_functiondef('audit.find_receipt(uuid)'::regprocedure) as source",
    );
    const source = (definitions[0]?.source ?? "")
      .replaceAll("find_receipt", `find_${table}`)
      .replace(/\b(public\.)?receipts\b/g, `public.${table}`);
    await lab.owner.whole.query(`${source}; grant execute on function audit.find_${table} to ${roles.app}`);
    const times = [
      await read(`${random}select * from ${table} where id = ${id}`),
      await read(`${random}select * from audit.find_${table}(${id.replace(";", ");")}`),
      await read(`select * from ${table} order by created_at desc limit 50;\n`),
      await read(
        `select * from ${table} where created_at >= '${daysAgo(30)}' and created_at < 'infinity' order by created_at desc limit 50;\n`,
      ),
    ];
    first ??= times;
    rows.push([months, ...times.flatMap((time, i) => [time, time / (first?.[i] ?? NaN)])]);
  }
  const columns = ["by id", "find_receipt(id)", "latest 50", "latest 50 since a date"];
  printTable("Reads by months kept", ["months", ...columns.flatMap((name) => [`${name}, ms`, "ratio"])], rows);
}

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
