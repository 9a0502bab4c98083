/** An agent's lanes: each a chain of its own, whoever writes, and whatever sessions make of their number (sql/010_sealing.sql). */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../../ops/log";
import { migrateUp } from "../../ops/migrate/up";
import { roles } from "../../ops/roles";
import { migrationsDir, startPostgres, TestDatabase, type TestPostgres } from "../postgres";
import { chainFaults, insertReceipts, newReceipt } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let auditor: pg.Client;

beforeAll(async () => {
  server = await startPostgres({ parameters: { max_connections: "200", deadlock_timeout: "100ms" } });
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  auditor = await database.connect(roles.auditor);
});

const writer = async (lanes: number | string): Promise<pg.Client> => {
  const client = await database.connect(roles.app);
  await client.query("select set_config('audit.lanes', $1, false)", [String(lanes)]);
  return client;
};

const one = (values: Partial<ReturnType<typeof newReceipt>> = {}) => newReceipt({ actor_id: "hot", ...values });

/** Receipts by lane of an agent. */
async function lanesOf(agent: string): Promise<Map<number, number>> {
  const { rows } = await auditor.query<{ lane: number; count: number }>(
    "select lane, count(*)::int as count from receipts where actor_id = $1 group by 1 order by 1",
    [agent],
  );
  return new Map(rows.map(({ lane, count }) => [lane, count]));
}

const laneOf = async (client: pg.Client, lanes: number): Promise<number> => {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]!.pid % lanes;
};

/** So many lanes that the session is not in the first. */
const notFirst = async (client: pg.Client): Promise<number> => ((await laneOf(client, 256)) === 0 ? 255 : 256);

const batchOf = (receipts: object[]) => JSON.stringify(receipts);

describe("a lane", () => {
  it("is that of the session's process, and a chain from 1 on under its own name", async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => writer(4)));
    for (const client of clients) await insertReceipts(client, [one(), one()]);
    const lanes = await lanesOf("hot");
    const expected = new Map<number, number>();
    for (const client of clients) {
      const lane = await laneOf(client, 4);
      expected.set(lane, (expected.get(lane) ?? 0) + 2);
    }
    expect(lanes).toEqual(new Map([...expected].sort(([a], [b]) => a - b)));
    const { rows } = await auditor.query<{ agent: string }>("select agent from audit.chain_heads order by agent");
    expect(rows.map(({ agent }) => agent)).toEqual(
      [...lanes.keys()].map((lane) => (lane === 0 ? "hot" : `hot\u001f${lane}`)).sort(),
    );
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each([
    ["without the setting", undefined, [0]],
    ["with nothing in it", "", [0]],
    ["with a word in it", "many", [0]],
    ["with a number below nought", "-3", [0]],
    ["with nought", "0", [0]],
    ["with one", "1", [0]],
    ["with far too many, of at most 256", "9999", Array.from({ length: 256 }, (_, i) => i)],
    ["with a number that is too long to be one", "99999999999999999999", [0]],
  ])("%s is one of those there are", async (_, setting, possible) => {
    const client = setting === undefined ? await database.connect(roles.app) : await writer(setting);
    await insertReceipts(client, [one()]);
    await client.query("select audit.insert_receipts($1)", [batchOf([{ ...one(), actor_id: "other" }])]);
    for (const agent of ["hot", "other"])
      for (const lane of (await lanesOf(agent)).keys()) expect(possible).toContain(lane);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is the first, and no receipt refused, where a database's locale has other digits than those of numbers", async () => {
    const name = "with_icu";
    await (
      await database.connect()
    ).query(`create database ${name} owner ${roles.owner} locale_provider icu icu_locale 'und' template template0`);
    database = new TestDatabase(server, name);
    await migrateUp(await database.connect(roles.owner), { dir: migrationsDir, log: silentLog });
    auditor = await database.connect(roles.auditor);
    const client = await writer("１６");
    await insertReceipts(client, [one()]);
    await client.query("select audit.insert_receipts($1)", [batchOf([one()])]);
    // Nor are places of heads any in these, whatever a client sets (audit.remembered_head).
    await client.query(
      "select set_config('audit.batch', 'on', false), set_config('audit.chain_heads_' || slot, '(１,１)', false) from generate_series(0, 127) slot",
    );
    await insertReceipts(client, [one(), one()]);
    expect(await lanesOf("hot")).toEqual(new Map([[0, 4]]));
  });

  it("is not the client's to name, in an INSERT, an UPDATE or a batch; the owner's is written over", async () => {
    const client = await writer(1);
    await expect(
      client.query(
        `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, lane)
         values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', 'hot', '{}', '{}', 3)`,
      ),
    ).rejects.toMatchObject({ code: "42501" });
    const [stored] = await insertReceipts(client, [one()]);
    await expect(client.query("update receipts set lane = 3")).rejects.toMatchObject({ code: "42501" });
    await client.query("select audit.insert_receipts($1)", [batchOf([{ ...one(), lane: 3 }])]);
    const owner = await database.connect(roles.owner);
    await expect(owner.query("update receipts set lane = 3 where id = $1", [stored?.id])).rejects.toMatchObject({
      code: "23000",
    });
    await owner.query(
      `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, lane)
       values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', 'hot', '{}', '{}', 3)`,
    );
    await owner.query(
      `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, lane, chain_seal)
       values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', 'hot', '{}', '{}', 3, sha256(''))`,
    );
    expect(await lanesOf("hot")).toEqual(new Map([[0, 4]]));
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is no agent's name: one with U+001F in it is refused, with the lane's head there and without", async () => {
    const client = await writer(1);
    const lanes = await notFirst(client);
    await client.query("select set_config('audit.lanes', $1, false)", [String(lanes)]);
    await insertReceipts(client, [one()]);
    const lane = await laneOf(client, lanes);
    expect(await lanesOf("hot")).toEqual(new Map([[lane, 1]]));
    const pretender = { actor_id: `hot\u001f${lane}` };
    const neverSet = await database.connect(roles.app);
    const refused = { code: "23514", constraint: "actor_id_printable" };
    for (const client of [neverSet, await writer(1), await writer(256)]) {
      await expect(insertReceipts(client, [one(pretender)])).rejects.toMatchObject(refused);
      await expect(insertReceipts(client, [one({ actor_id: "new\u001f1" })])).rejects.toMatchObject(refused);
      for (const actor_id of [pretender.actor_id, "new\u001f1"])
        await expect(
          client.query("select audit.insert_receipts($1)", [batchOf([{ ...one(), actor_id }])]),
        ).rejects.toMatchObject(refused);
    }
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is none of receipts that name no agent, by NULL or by '', singly and in a batch", async () => {
    const client = await writer(256);
    await insertReceipts(client, [one({ actor_id: null }), one({ actor_id: "" })]);
    await client.query("select audit.insert_receipts($1)", [
      batchOf([one({ actor_id: null }), one({ actor_id: "" }), one()]),
    ]);
    const { rows } = await auditor.query("select agent, seq::int from audit.chain_heads where agent not like 'hot%'");
    expect(rows).toEqual([{ agent: "", seq: 4 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });
});

describe("changes keep one chain an agent", () => {
  it("whose receipts are in several lanes, born with a past and changed later", async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => writer(3)));
    const stored = [];
    for (const client of clients)
      stored.push(...(await insertReceipts(client, [one({ decision_outcome: "require_approval" })])));
    await clients[0]!.query("update receipts set rekor_entry_id = 'x' where id = any ($1::uuid[])", [
      stored.map(({ id }) => id),
    ]);
    const { rows } = await auditor.query("select agent, seq::int from audit.history_heads");
    expect(rows).toEqual([{ agent: "hot", seq: 12 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });
});

describe("16 writers of one agent in 16 lanes", () => {
  it("leave no fork, no gap and no deadlock, singly, in batches, with savepoints, and some taken back", async () => {
    const clients = await Promise.all(Array.from({ length: 16 }, () => writer(16)));
    let stored = 0;
    await Promise.all(
      clients.map(async (client, n) => {
        for (let i = 0; i < 12; i++) {
          const kind = (n + i) % 4;
          if (kind === 0) await insertReceipts(client, [one(), one({ actor_id: "second" }), one()]);
          if (kind === 1)
            await client.query("select audit.insert_receipts($1)", [
              batchOf([one({ actor_id: "second" }), one(), one({ actor_id: "third" })]),
            ]);
          if (kind === 2) {
            await client.query("begin");
            await insertReceipts(client, [one(), one()]);
            await client.query("savepoint s");
            await insertReceipts(client, [one(), one()]);
            await client.query("rollback to s");
            await insertReceipts(client, [one()]);
            await client.query("commit");
          }
          if (kind === 3) {
            await client.query("begin");
            await insertReceipts(client, [one(), one({ actor_id: "second" })]);
            await client.query("rollback");
          } else stored += 3;
        }
      }),
    );
    const { rows } = await auditor.query<{ count: number }>("select count(*)::int from receipts");
    expect(rows[0]?.count).toBe(stored);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("go on where some are killed in the middle", async () => {
    const clients = await Promise.all(Array.from({ length: 16 }, () => writer(16)));
    for (const client of clients) client.on("error", () => undefined);
    const admin = await database.connect();
    const work = clients.map(async (client) => {
      for (let i = 0; i < 40; i++) await insertReceipts(client, [one(), one()]).catch(() => undefined);
    });
    await sleep(50);
    const pids = "select pid from pg_stat_activity where usename = 'authensor_app' and datname = current_database()";
    await admin.query(`select pg_terminate_backend(pid) from (${pids} order by pid limit 6) killed`);
    await Promise.all(work);
    expect((await lanesOf("hot")).size).toBeGreaterThan(1);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("may have their number changed up and down while they write, also within a transaction", async () => {
    const clients = await Promise.all(Array.from({ length: 16 }, () => writer(16)));
    await Promise.all(
      clients.map(async (client, n) => {
        for (let i = 0; i < 15; i++) {
          await client.query("begin");
          try {
            await insertReceipts(client, [one()]);
            await client.query("select set_config('audit.lanes', $1, false)", [
              String([16, 1, 7, 0, 256][(n + i) % 5]),
            ]);
            await insertReceipts(client, [one(), one()]);
          } catch (error) {
            // Two lanes in one transaction are as two agents: of those in opposite order one is to be sent again.
            if ((error as { code?: string }).code !== "40P01") throw error;
          }
          await client.query("commit");
        }
      }),
    );
    expect(await chainFaults(auditor)).toEqual([]);
  });
});

describe("batches", () => {
  it("put an agent's receipts into one lane, in their order, and never deadlock with INSERTs sorted by agent", async () => {
    const agents = ["a", "a\u0001", "a b", "z", ""];
    const clients = await Promise.all(Array.from({ length: 10 }, () => writer(3)));
    await Promise.all(
      clients.map(async (client, n) => {
        for (let i = 0; i < 10; i++) {
          const receipts = agents.map((actor_id) => one({ actor_id, id: randomUUID() }));
          if (n % 2) await client.query("select audit.insert_receipts($1)", [batchOf(receipts.toReversed())]);
          else {
            const sorted = receipts.toSorted((a, b) =>
              Buffer.compare(Buffer.from(a.actor_id!), Buffer.from(b.actor_id!)),
            );
            await insertReceipts(client, sorted);
          }
        }
      }),
    );
    const [client] = clients;
    const ids = Array.from({ length: 20 }, () => randomUUID());
    await client!.query("select audit.insert_receipts($1)", [batchOf(ids.map((id) => one({ id })))]);
    const { rows } = await auditor.query<{ id: string; lane: number; chain_seq: string }>(
      "select id, lane from receipts where id = any ($1::uuid[]) order by chain_seq",
      [ids],
    );
    expect(rows.map(({ id }) => id)).toEqual(ids);
    expect(new Set(rows.map(({ lane }) => lane))).toEqual(new Set([await laneOf(client!, 3)]));
    expect(await chainFaults(auditor)).toEqual([]);
  });
});

describe("an import", () => {
  it("is recorded of the lane that it came into", async () => {
    const owner = await database.connect(roles.owner);
    const lanes = await notFirst(owner);
    await owner.query(`set audit.lanes = '${lanes}'; begin; select audit.open_import('receipts of a test')`);
    await insertReceipts(owner, [one()]);
    await owner.query(
      `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, created_at, updated_at)
       values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', 'hot', '{}', '{}', '2025-01-01', '2025-01-01')`,
    );
    await owner.query("commit");
    const { rows } = await auditor.query("select agent, first_seq::int, last_seq::int from audit.imports");
    expect(rows).toEqual([{ agent: `hot\u001f${await laneOf(owner, lanes)}`, first_seq: 2, last_seq: 2 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });
});
