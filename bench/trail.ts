import pg from "pg";
import { ensurePartitions } from "../ops/partitions/ensure";
import { roles } from "../ops/roles";
import { verify } from "../ops/verify/run";
import { fillStatement } from "./payload";
import { compare, pgbench, printTable, type Lab } from "./lab";

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function search(lab: Lab): Promise<void> {
  const count = lab.quick ? 10_000 : 50_000;
  const { whole } = lab.owner;
  await whole.query("truncate receipts, audit.receipt_history");
  const [since, until] = [new Date(Date.now() - 20 * 86_400_000).toISOString(), new Date().toISOString()];
  for (let n = 0; n < count; n += 5000) await whole.query(fillStatement("receipts", n, 5000, since, until));
  await whole.query("vacuum analyze receipts");
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
  await bare.query("truncate receipts, audit.receipt_history, audit.chain_heads, audit.history_heads");
  const [since, until] = [new Date(Date.now() - 20 * 86_400_000).toISOString(), new Date().toISOString()];
  for (let n = 0; n < count; n += 10_000) await bare.query(fillStatement("receipts", n, 10_000, since, until));
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

/** The longest that any of 16 writers waited for one insert, while partitions are made for two more years, and without. */
export async function maintenance(lab: Lab): Promise<void> {
  const owner = await lab.whole.connect(roles.owner);
  const stall = async (
    work: () => Promise<unknown>,
  ): Promise<{ longest: number; inserts: number; seconds: number }> => {
    let [ended, longest, inserts] = [false, 0, 0];
    const writers = Array.from({ length: 16 }, async (_, w) => {
      const client = new pg.Client({ connectionString: lab.whole.url(roles.app) });
      await client.connect();
      while (!ended) {
        const start = performance.now();
        await client.query(
          "insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision) values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', $1, '{}', '{}')",
          [`agent-${w * 4 + (inserts % 4)}`],
        );
        longest = Math.max(longest, performance.now() - start);
        inserts++;
      }
      await client.end();
    });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    [longest, inserts] = [0, 0];
    const start = performance.now();
    await work();
    const seconds = (performance.now() - start) / 1000;
    const result = { longest, inserts, seconds };
    ended = true;
    await Promise.all(writers);
    return result;
  };
  const quiet = await stall(() => new Promise((resolve) => setTimeout(resolve, lab.quick ? 2000 : 8000)));
  const { rows } = await owner.query<{ months: number }>(
    "select count(*)::int as months from audit.list_partitions() where parent = 'receipts'::regclass and kind = 'month'",
  );
  let created = 0;
  const busy = await stall(async () => {
    created = (await ensurePartitions(owner, { monthsAhead: (rows[0]?.months ?? 0) + 24, log: silent })).created.length;
  });
  printTable(
    "Partition maintenance while 16 clients write",
    ["", "longest insert, ms", "inserts/s"],
    [
      ["no maintenance", quiet.longest, quiet.inserts / quiet.seconds],
      [`making ${created} partitions of ${busy.seconds.toFixed(1)} s`, busy.longest, busy.inserts / busy.seconds],
    ],
  );
}
