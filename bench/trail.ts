import { setTimeout as sleep } from "node:timers/promises";
import { ensurePartitions } from "../ops/maintenance/partitions";
import { roles } from "../ops/roles";
import { verify } from "../ops/verify/verification";
import { fillStatement, imported } from "./payload";
import { fill } from "./reads";
import { compare, median, pgbench, printTable, type Lab } from "./lab";

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function search(lab: Lab): Promise<void> {
  const count = lab.quick ? 10_000 : 50_000;
  const { whole } = lab.owner;
  await whole.query("truncate receipts, audit.receipt_history, audit.search_chunks");
  const [since, until] = [new Date(Date.now() - 20 * 86_400_000).toISOString(), new Date().toISOString()];
  for (let n = 0; n < count; n += 5000) await whole.query(imported(fillStatement("receipts", n, 5000, since, until)));
  await whole.query("vacuum analyze receipts");
  // The first run draws the line; the next ones index up to it.
  for (let run = 0, more = true; run < 2 || more; run++)
    ({ more } = (await whole.query<{ more: boolean }>("select audit.index_receipts(3200, '0') as more")).rows[0]!);
  const seconds = lab.quick ? 2 : 4;
  const url = lab.whole.url(roles.app);
  const measured = await compare(
    [
      {
        name: "reading every receipt of those days",
        measure: () =>
          pgbench(
            lab,
            url,
            `select id from receipts where created_at >= now() - interval '30 days' and envelope::text ilike '%orders%${count - 77}%' order by created_at desc limit 50;\n`,
            { seconds },
          ),
      },
      {
        name: "search_receipts, a rare word",
        measure: () => pgbench(lab, url, `select * from search_receipts('${count - 77}');\n`, { seconds }),
      },
      {
        name: "search_receipts, a word in all of them",
        measure: () => pgbench(lab, url, "select * from search_receipts('orders');\n", { seconds }),
      },
    ],
    2,
    () => Promise.resolve(),
  );
  printTable(
    `Search among ${count} receipts`,
    ["", "per second", "ratio"],
    measured.map(({ name, median, ratio }) => [name, median, ratio]),
  );
}

export async function verification(lab: Lab): Promise<void> {
  const count = lab.quick ? 50_000 : 300_000;
  const { bare } = lab.owner;
  await bare.query("truncate receipts, audit.receipt_history, audit.chain_heads, audit.history_heads, audit.chains");
  // In order of time, as receipts come.
  const at = (n: number) => new Date(Date.now() - 20 * 86_400_000 * (1 - n / count)).toISOString();
  for (let n = 0; n < count; n += 10_000)
    await bare.query(imported(fillStatement("receipts", n, 10_000, at(n), at(n + 10_000))));
  await bare.query("vacuum analyze receipts");
  const rates: number[] = [];
  for (let i = 0; i < 3; i++) {
    const report = await verify({
      url: lab.bare.url(roles.auditor),
      signal: new AbortController().signal,
      anchors: [],
      connections: 2,
      chunk: 20_000,
      allowEmpty: false,
    });
    if (!report.ok || report.verified.receipts !== count) throw new Error(JSON.stringify(report));
    rates.push(report.receiptsPerSecond);
  }
  printTable(
    "Verification",
    ["", "receipts/s"],
    [[`ops/verify, whole trail of ${count}, best of 3`, Math.max(...rates)]],
  );
}

export async function telemetry(lab: Lab): Promise<void> {
  const seconds = lab.quick ? 2 : 4;
  const script = `insert into telemetry_events (source, name, agent_id, value, attributes) values ('agent', 'agent.latency', 'agent-7', 12.5, '{"model": "large-4", "tokens": 512}');\n`;
  const url = lab.bare.url(roles.telemetry);
  const on = `${url}?options=-c%20synchronous_commit%3Don`;
  for (const clients of lab.quick ? [16] : [1, 16]) {
    const measured = await compare(
      [
        { name: "as audit: synchronous_commit = on", measure: () => pgbench(lab, on, script, { clients, seconds }) },
        { name: "as telemetry: off", measure: () => pgbench(lab, url, script, { clients, seconds }) },
      ],
      3,
      () => Promise.resolve(),
    );
    printTable(
      `Telemetry, ${clients} clients`,
      ["", "events/s", "ratio"],
      measured.map(({ name, median, ratio }) => [name, median, ratio]),
    );
  }
}

/** The longest that any of 16 writers waits for an insert while a month is made, as the daily job does, or taken out, and just before. */
export async function maintenance(lab: Lab): Promise<void> {
  const { whole } = lab.owner;
  const rounds = lab.quick ? 8 : 20;
  const rows: (string | number)[][] = [];
  const measure = async (what: string, table: string, work: () => Promise<unknown>) => {
    let [ended, longest] = [false, 0];
    const columns = "id, envelope_id, status, decision_outcome, actor_id, envelope, decision";
    const values = "gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', $1, '{}', '{}'";
    const writers = Array.from({ length: 16 }, async (_, w) => {
      const client = await lab.whole.connect(roles.app);
      for (let i = 0; !ended; i++) {
        const start = performance.now();
        await client.query(`insert into ${table} (${columns}) values (${values})`, [`agent-${w * 4 + (i % 4)}`]);
        longest = Math.max(longest, performance.now() - start);
      }
      await client.end();
    });
    await sleep(1000);
    const during = async (of: () => Promise<unknown>) => {
      longest = 0;
      await of();
      return longest;
    };
    const [before, busy]: [number[], number[]] = [[], []];
    try {
      for (let round = 0; round < rounds; round++) {
        before.push(await during(() => sleep(600)));
        busy.push(await during(() => work().then(() => sleep(300))));
      }
    } finally {
      ended = true;
      await Promise.all(writers);
    }
    rows.push([what, median(busy), Math.max(...busy), median(before), Math.max(...before)]);
  };

  const owner = await lab.whole.connect(roles.owner);
  const ahead = await whole.query<{ months: number }>(
    "select count(*)::int as months from audit.list_partitions() where parent = 'receipts'::regclass and kind = 'month'",
  );
  let monthsAhead = ahead.rows[0]?.months ?? 0;
  await measure("a month made for each table", "receipts", () =>
    ensurePartitions(owner, { monthsAhead: monthsAhead++, log: silent }),
  );

  const table = await fill(lab, rounds + 4);
  await whole.query(`grant insert on ${table} to ${roles.app}`);
  // No attempt gives up: what a writer waits for is all there is to see.
  await owner.query("reset lock_timeout");
  await measure(`the oldest of ${rounds + 4} months taken out`, table, async () => {
    await owner.query(
      "select audit.detach_month(parent, month) from audit.list_partitions() where parent = $1::regclass and kind = 'month' limit 1",
      [table],
    );
  });
  printTable(
    `The longest insert of 16 clients, ms, ${rounds} times`,
    ["while", "median", "longest", "median just before", "longest just before"],
    rows,
  );
}
