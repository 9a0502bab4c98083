import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { TestPooler } from "../pgbouncer";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let pooler: TestPooler;

beforeAll(async () => {
  // What production has: fsync on, and PostgreSQL's own rhythm of writing the WAL of those who do not wait for it.
  server = await startPostgres({ durable: true, parameters: { wal_writer_delay: "200ms" } });
  database = await server.createDatabase({ migrated: true });
  pooler = await TestPooler.start(server);
});
afterAll(async () => {
  await pooler.stop();
  await server.stop();
});

const event =
  "insert into telemetry_events (source, name, agent_id, value, attributes) values ($1, 'agent.latency', 'agent-1', $2, '{\"model\": \"large\"}')";

/** A connection that a server answers: after a crash PgBouncer refuses for as long as its last login failed (server_login_retry). */
async function answered(role: string): Promise<pg.Client> {
  for (let tries = 1; ; tries++) {
    const client = new pg.Client({ connectionString: pooler.url(role, database.name) });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query("select 1");
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (tries === 100) throw error;
      await sleep(200);
    }
  }
}

const code = (query: Promise<unknown>): Promise<string | undefined> =>
  query.then(
    () => "ok",
    (error: unknown) => (error as pg.DatabaseError).code,
  );

describe("telemetry events", () => {
  it("lie in monthly partitions, by the time they came in, which the sender cannot choose", async () => {
    const telemetry = await database.connect(roles.telemetry);
    await telemetry.query(event, ["a", 1]);
    expect(
      await code(
        telemetry.query("insert into telemetry_events (created_at, source, name) values ('2001-01-01', 'a', 'b')"),
      ),
    ).toBe("42501");
    const owner = await database.connect(roles.owner);
    const { rows } = await owner.query<{ kind: string; recent: boolean }>(
      `select p.kind, t.created_at > now() - interval '1 minute' as recent
         from telemetry_events t join audit.partitions p on p.partition = t.tableoid`,
    );
    expect(rows).toEqual([{ kind: "month", recent: true }]);
  });

  it("are added by their role, which can neither read, change nor remove them, nor touch the trail", async () => {
    const telemetry = await database.connect(roles.telemetry);
    for (const statement of [
      "select * from telemetry_events",
      "update telemetry_events set value = 0",
      "delete from telemetry_events",
      "truncate telemetry_events",
      "select * from receipts",
      "insert into receipts default values",
      "insert into telemetry_events_future (source, name) values ('a', 'b')",
    ])
      expect([statement, await code(telemetry.query(statement))]).toEqual([statement, "42501"]);
    expect(await code((await database.connect(roles.app)).query("select * from telemetry_events"))).toBe("42501");
    expect(await code((await database.connect(roles.auditor)).query("select * from telemetry_events"))).toBe("ok");
  });

  it("are refused when they are too large, or not what they should be", async () => {
    const telemetry = await database.connect(roles.telemetry);
    const add = (attributes: unknown) =>
      code(
        telemetry.query("insert into telemetry_events (source, name, attributes) values ('a', 'b', $1)", [
          JSON.stringify(attributes),
        ]),
      );
    const noise = Array.from({ length: 80_000 }, (_, i) => String.fromCharCode(33 + ((i * i * 7919) % 90))).join("");
    expect(await add({ noise })).toBe("23514");
    expect(await add(["a"])).toBe("23514");
    expect(await add({ a: [1, { b: null }] })).toBe("ok");
  });
});

it("is written without waiting for the disk through the pooler, and the trail with: each pool logs in as its role", async () => {
  for (const [role, expected] of [
    [roles.app, "on"],
    [roles.telemetry, "off"],
  ] as const) {
    const clients = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const client = new pg.Client({ connectionString: pooler.url(role, database.name) });
        await client.connect();
        return client;
      }),
    );
    // All at once, so that several server connections answer.
    const answers = await Promise.all(
      clients.map((client) =>
        client.query<{ value: string }>("select current_setting('synchronous_commit') as value, pg_sleep(0.05)"),
      ),
    );
    expect(new Set(answers.map(({ rows }) => rows[0]?.value))).toEqual(new Set([expected]));
    await Promise.all(clients.map((client) => client.end()));
  }
});

/** Connections of writers, to be cut when the server is gone: the pooler would otherwise hold their last statement for the next one. */
const connections = new Set<pg.Client>();

interface Writer {
  name: string;
  /** When each of its rows was acknowledged, in the order they were sent. */
  acknowledged: number[];
}

async function write(
  role: string,
  name: string,
  statement: (client: pg.Client, n: number) => Promise<unknown>,
  ended: () => boolean,
): Promise<Writer> {
  const writer: Writer = { name, acknowledged: [] };
  const client = new pg.Client({ connectionString: pooler.url(role, database.name) });
  client.on("error", () => undefined);
  await client.connect();
  connections.add(client);
  try {
    while (!ended()) {
      await statement(client, writer.acknowledged.length);
      writer.acknowledged.push(performance.now());
    }
  } catch {
    // The server is gone; what was not acknowledged was promised to nobody.
  } finally {
    connections.delete(client);
    await client.end().catch(() => undefined);
  }
  return writer;
}

describe("a crash", () => {
  it("loses nothing of the trail, and of telemetry at most the last moments", { timeout: 120_000 }, async () => {
    const lost: number[] = [];
    let events = 0;
    let receipts = 0;
    for (let crash = 0; crash < 3; crash++) {
      let killed = false;
      const telemetry = Array.from({ length: 6 }, (_, w) => {
        const name = `t${crash}-${w}`;
        return write(
          roles.telemetry,
          name,
          (client, n) => client.query(event, [name, n]),
          () => killed,
        );
      });
      // In the second round nobody writes receipts, whose commits would put telemetry on disk along with them.
      const audit = Array.from({ length: crash === 1 ? 0 : 4 }, (_, w) => {
        const name = `r${crash}-${w}`;
        return write(
          roles.app,
          name,
          (client, n) => insertReceipts(client, [newReceipt({ actor_id: name, envelope: { n } })]),
          () => killed,
        );
      });
      await sleep(1500 + 130 * crash);
      const at = performance.now();
      await server.crash();
      killed = true;
      for (const client of connections) client.connection?.stream.destroy();
      const [told, promised] = [await Promise.all(telemetry), await Promise.all(audit)];
      await server.start();

      const client = await database.connect(superuser);
      for (const { name, acknowledged } of promised) {
        const { rows } = await client.query<{ n: number }>(
          "select (envelope ->> 'n')::int as n from receipts where actor_id = $1 order by chain_seq",
          [name],
        );
        expect(rows.length).toBeGreaterThanOrEqual(acknowledged.length);
        expect(rows.map(({ n }) => n)).toEqual(rows.map((_, i) => i));
        receipts += acknowledged.length;
      }
      for (const { name, acknowledged } of told) {
        const { rows } = await client.query<{ n: number }>(
          "select value::int as n from telemetry_events where source = $1 order by value",
          [name],
        );
        // Whatever is lost is the end: no event is missing before one that is there.
        expect(rows.map(({ n }) => n)).toEqual(rows.map((_, i) => i));
        const firstLost = acknowledged[rows.length];
        if (firstLost !== undefined) lost.push(at - firstLost);
        events += acknowledged.length;
      }
      await client.end();
    }
    expect(receipts).toBeGreaterThan(100);
    expect(events).toBeGreaterThan(500);
    // PostgreSQL's bound is three times wal_writer_delay, 0.6 s, as long as its WAL writer gets to run; a busy machine adds to that.
    expect(Math.max(0, ...lost)).toBeLessThan(5000);
  });

  it(
    "can lose what was acknowledged within the WAL writer's delay: the split is real",
    { timeout: 120_000 },
    async () => {
      const client = await database.connect(superuser);
      await client.query("alter system set wal_writer_delay = '10s'");
      await client.query("select pg_reload_conf()");
      // The WAL writer takes notice of it at its next turn, and then sleeps for as long. Whatever else writes WAL out in that
      // moment, as a checkpoint does, saves the events: so several crashes are tried, and one that loses some is enough.
      let kept = 0;
      for (let crash = 1; crash <= 5; crash++) {
        const tail = `tail-${crash}`;
        const through = await answered(roles.telemetry);
        const audit = await answered(roles.app);
        await sleep(500);
        await insertReceipts(audit, [newReceipt({ actor_id: tail })]);
        for (let n = 0; n < 20; n++) await through.query(event, [tail, n]);
        await server.crash();
        await server.start();
        await Promise.all([through.end().catch(() => undefined), audit.end().catch(() => undefined)]);
        const after = await database.connect(superuser);
        const { rows } = await after.query<{ receipts: string; events: string }>(
          `select (select count(*) from receipts where actor_id = $1) as receipts,
                  (select count(*) from telemetry_events where source = $1) as events`,
          [tail],
        );
        expect(rows[0]?.receipts).toBe("1");
        kept = Number(rows[0]?.events);
        if (kept < 20) break;
      }
      expect(kept).toBeLessThan(20);
    },
  );
});
