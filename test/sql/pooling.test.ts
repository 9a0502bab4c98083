/** The very configuration that the program renders, on a real PgBouncer in front of a real server. */
import { writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Pool as PoolName } from "../../components/pooling/connectionBudget";
import type { PgbouncerConfig } from "../../components/pooling/pgbouncerConfig";
import {
  bothLogins,
  pooledDatabase,
  type PoolerClient,
  poolerClients,
  pooledRole,
} from "../../components/pooling/pgbouncerEntries";
import { prepares } from "../../local/pgbouncer";
import { prepareStatements } from "../../ops/guard/statements";
import { silentLog } from "../../ops/log";
import { relieveLockTable } from "../../ops/monitor/lockTable";
import { Server } from "../../ops/monitor/server";
import { databaseName, roles } from "../../ops/roles";
import { credentials } from "../credentials";
import { buildGuard, start } from "../guarded";
import { certificate, Pod } from "../pod";
import { startPostgres, superuser, type TestPostgres } from "../postgres";
import { chainFaults, newReceipt, storeReceipts } from "../receipts";

const pools = { controlPlane: 4, app: 3, telemetry: 2, auditor: 1 };
// In the second generation of passwords: the role's own login is the one before.
const { current, previous } = credentials(
  {
    controlPlane: "p0",
    app: "a0",
    telemetry: "t0",
    auditor: "u0",
    monitor: "m0",
    owner: "owner",
    verifier: "v0",
    archiver: "c0",
    maintenance: "x0",
  },
  2,
);

/** A pod with this file's pools and logins; `more` is of the configuration. */
const startPod = (databaseCa: string, more: Partial<PgbouncerConfig> = {}) =>
  new Pod({
    server,
    databaseCa,
    config: { pools, maxClients: 40, preparedStatements: 32, lanes: 1, ...more },
    logins: { current, previous },
  }).start();

let server: TestPostgres;
let serverCa: string;
let admin: pg.Client;
let pod: Pod;

beforeAll(async () => {
  const tls = await certificate();
  serverCa = tls.certificate;
  server = await startPostgres({ auth: "scram", tls });
  await server.createDatabase({ migrated: true, name: databaseName });
  admin = await server.connect(server.url(superuser, databaseName));
  // Not for the control plane: the server has no such login.
  const loggedIn = ["app", "telemetry", "auditor", "monitor"] as const;
  for (const { user, password } of loggedIn.flatMap((role) => [current[role], previous[role]]))
    await admin.query(`alter role ${user} password '${password}'`);
  pod = await startPod(serverCa);
});
afterAll(async () => {
  await pod?.stop();
  await server?.stop();
});

describe("through the pooler", () => {
  test.each([
    ["app", "on", "off"],
    ["telemetry", "off", "off"],
    ["auditor", "on", "on"],
  ] as const)("%s works with its own settings: synchronous_commit %s, read-only %s", async (role, commit, readOnly) => {
    const client = await pod.connect(pod.url(role, pooledDatabase[role]));
    const show = async (name: string) =>
      Object.values((await client.query<Record<string, string>>(`show ${name}`)).rows[0] ?? {})[0];
    expect(await show("synchronous_commit")).toBe(commit);
    expect(await show("default_transaction_read_only")).toBe(readOnly);
    expect(await show("search_path")).toBe("public, audit");
    const { rows } = await client.query("select current_user as user, current_database() as database");
    expect(rows).toEqual([{ user: current[role].user, database: databaseName }]);
  });

  test.each(["controlPlane", "app", "telemetry"] as const)(
    "%s comes in by its login of the new passwords and by the one before, which share a pool",
    async (pool) => {
      for (const login of [current[pool], previous[pool]]) {
        const client = await pod.connect(pod.url(pool, pooledDatabase[pool], login));
        const { rows } = await client.query("select session_user as user");
        expect(rows, login.user).toEqual([{ user: current[pooledRole[pool]].user }]);
      }
    },
  );

  test.each(["auditor", "monitor"] as const)(
    "%s also comes in by its login of the passwords before, as itself",
    async (role) => {
      const client = await pod.connect(pod.url(role, pooledDatabase.auditor, previous[role]));
      expect((await client.query("select session_user as user")).rows).toEqual([{ user: roles[role] }]);
      await client.end();
    },
  );

  test("each of an agent's writers has its own lane, whatever clients before it have set", async () => {
    const lanes = 16;
    const laned = await startPod(serverCa, { lanes });
    const processes = new Map<number, number>();
    for (const pool of ["app", "controlPlane"] as const) {
      const clients = await Promise.all([1, 2].map(() => laned.connect(laned.url(pool, pooledDatabase[pool]))));
      for (let i = 0; i < 3; i++)
        await Promise.all(
          clients.map(async (client) => {
            if (pool === "app") await client.query("set audit.lanes = 1");
            const { rows } = await client.query<{ pid: number; lane: number }>(
              `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision)
               values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', 'hot', '{}', '{}') returning pg_backend_pid() as pid, lane`,
            );
            processes.set(rows[0]!.pid, rows[0]!.lane);
          }),
        );
      await Promise.all(clients.map((client) => client.end()));
    }
    await laned.stop();
    expect([...processes.keys()].length).toBeGreaterThan(1);
    expect([...processes]).toEqual([...processes.keys()].map((pid) => [pid, pid % lanes]));
  });

  test("clients of the passwords before, who ask without end, leave those of the new ones their turn", async () => {
    let busy = true;
    const before = Array.from({ length: 2 * pools.app }, async () => {
      const client = await pod.connect(pod.url("app", pooledDatabase.app, previous.app));
      while (busy) await client.query("select pg_sleep(0.05)");
      await client.end();
    });
    const client = await pod.connect(pod.url("app", pooledDatabase.app));
    const turns = async () => {
      for (let turn = 0; turn < 5; turn++) await client.query("select 1");
      return "served";
    };
    const outcome = await Promise.race([turns(), sleep(5000, "starved")]);
    busy = false;
    await Promise.all(before);
    expect(outcome).toBe("served");
  });

  test("the way is encrypted on both sides, up to the server", async () => {
    const client = await pod.connect(pod.url("app", pooledDatabase.app));
    const { rows } = await client.query("select ssl, version from pg_stat_ssl where pid = pg_backend_pid()");
    expect(rows).toEqual([{ ssl: true, version: "TLSv1.3" }]);
    await expect(pod.connect(pod.url("app", pooledDatabase.app).replace(/\?.*/, "?sslmode=disable"))).rejects.toThrow(
      /SSL required/,
    );
  });

  const allPools = Object.keys(pooledDatabase) as PoolName[];
  test.each(allPools)(
    "%s never has more server connections than its pool, however many ask, by either login",
    async (pool) => {
      const asking = Array.from({ length: 2 * pools[pool] + 3 }, async (_, i) => {
        const { [pool]: login } = i % 2 === 0 ? current : previous;
        const client = await pod.connect(pod.url(pool, pooledDatabase[pool], login));
        await client.query(`select pg_sleep(0.3), 'for ${pool}'`);
        await client.end();
      });
      // By what they run: two pools have the same role.
      const sql = "select count(*)::int as count from pg_stat_activity where query like '%for ' || $1 || '%'";
      const counts: number[] = [];
      const counting = setInterval(
        () => void admin.query<{ count: number }>(sql, [pool]).then(({ rows }) => counts.push(rows[0]?.count ?? 0)),
        50,
      );
      await Promise.all(asking).finally(() => clearInterval(counting));
      expect(Math.max(...counts)).toBe(pools[pool]);
    },
  );

  // The app role's other clients too, whom the control plane's pool would make the same role.
  const strangers = poolerClients.flatMap((client) =>
    allPools
      // The monitor asks whether a query comes through the auditor's.
      .filter((pool) => pool !== client && !(client === "monitor" && pool === "auditor"))
      .map((pool): [PoolerClient, PoolName] => [client, pool]),
  );
  test.each(strangers)("%s does not get in by the entry of %s", async (client, pool) => {
    for (const login of [current[client], previous[client]])
      await expect(pod.connect(pod.url(client, pooledDatabase[pool], login)), login.user).rejects.toThrow(
        /login rejected|no authentication method/,
      );
  });

  test("the control plane's logins are none of the server's: without the pooler they lead nowhere", async () => {
    const { rows } = await admin.query("select rolname from pg_roles where rolname = any($1)", [
      bothLogins("controlPlane"),
    ]);
    expect(rows).toEqual([]);
    const { user, password } = current.controlPlane;
    await expect(server.connect(server.url(user, databaseName, password))).rejects.toThrow(
      /password authentication failed/,
    );
  });

  // The same server connection serves both: its pool has one.
  test.each<[string, string, string, string]>([
    ["a setting", "set statement_timeout = 1234", "show statement_timeout", "15min"],
    ["its search path", "set search_path = pg_temp", "show search_path", "public, audit"],
    [
      "read-write where the role is read-only",
      "set default_transaction_read_only = off",
      "show default_transaction_read_only",
      "on",
    ],
    ["a lock", "select pg_advisory_lock(4711)", "select count(*) from pg_locks where locktype = 'advisory'", "0"],
    ["a channel it listens to", "listen gossip", "select count(*) from pg_listening_channels()", "0"],
    ["a cursor", "declare c cursor with hold for select 1", "select count(*) from pg_cursors", "0"],
    [
      "a name of its own",
      "set application_name = 'intruder'",
      "select count(*) from pg_stat_activity where application_name = 'intruder'",
      "0",
    ],
  ])("a client leaves nothing to the next one: %s", async (_what, leave, look, found) => {
    const [one, next] = [
      await pod.connect(pod.url("auditor", pooledDatabase.auditor)),
      await pod.connect(pod.url("auditor", pooledDatabase.auditor)),
    ];
    await one.query(leave);
    expect(Object.values((await next.query<Record<string, unknown>>(look)).rows[0] ?? {})[0]).toBe(found);
    await one.end();
    await next.end();
  });
});

test("no client puts a statement of its own in the place of one that another has prepared", async () => {
  const connect = () => pod.connect(pod.url("auditor", pooledDatabase.auditor));
  const [hostile, other] = [await connect(), await connect()];
  const ask = () =>
    other.query<{ answer: string }>({ name: "asked", text: "select $1::text as answer", values: ["true"] });
  const sure = prepares() ? [{ answer: "true" }] : undefined;
  expect((await ask()).rows).toEqual([{ answer: "true" }]);
  for (const name of ["PGBOUNCER_1", "PGBOUNCER_2", "asked"]) {
    await hostile.query(`deallocate "${name}"`).catch(() => undefined);
    await hostile.query(`prepare "${name}" (text) as select 'false' as answer`).catch(() => undefined);
  }
  // A pooler that keeps no prepared statements refuses: what was prepared is gone.
  expect((await ask().catch(() => undefined))?.rows).toEqual(sure);
  await Promise.all([hostile.end(), other.end()]);
});

test("who has the app role's password can end the control plane's sessions on the server, and before PgBouncer 1.26 have its next ones refuse receipts until the roles are repaired", async () => {
  const [hostile, controlPlane] = [
    await pod.connect(pod.url("app", pooledDatabase.app)),
    await pod.connect(pod.url("controlPlane", pooledDatabase.controlPlane)),
  ];
  const store = () => storeReceipts(controlPlane, [newReceipt({})]);
  const endSessions = () =>
    hostile.query(
      "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = session_user and pid <> pg_backend_pid()",
    );
  await store();
  await endSessions();
  await store();
  await hostile.query("alter role current_user set default_transaction_read_only = on");
  await endSessions();
  // From PgBouncer 1.26 on it is a parameter that the pooler sets as its client has it: the receipt is stored.
  const refused = await store().then(
    () => undefined,
    (error: unknown) => (error as Error).message,
  );
  if (refused !== undefined) expect(refused).toContain("read-only transaction");
  const { rows: repaired } = await admin.query("select what from audit.repair_roles()");
  expect(repaired).toEqual([
    { what: expect.stringMatching(/^default_transaction_read_only of authensor_app/) as unknown },
  ]);
  await endSessions();
  await store();
  await Promise.all([hostile.end(), controlPlane.end()]);
});

describe("the control plane's pooler, which resets no session between two clients", () => {
  let shared: Pod;
  beforeAll(async () => {
    shared = await startPod(serverCa, { pools: { ...pools, controlPlane: 1 } });
  });
  afterAll(() => shared.stop());
  afterEach(() =>
    admin.query("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1", [current.app.user]),
  );
  const connect = () => shared.connect(shared.url("controlPlane", pooledDatabase.controlPlane));

  test("sends the server nothing between two statements", async () => {
    const client = await connect();
    const { pid } = (await client.query<{ pid: number }>("select pg_backend_pid() as pid")).rows[0]!;
    await client.query("select 'the last one'");
    const { rows } = await admin.query("select query from pg_stat_activity where pid = $1", [pid]);
    expect(rows).toEqual([{ query: "select 'the last one'" }]);
  });

  // Any client of the server's can do this to itself; here the next one meets it, which only who has the control plane's login can bring about.
  test.each<[string, string, RegExp | undefined]>([
    ["commits that do not wait for the disk", "set synchronous_commit = off", undefined],
    ["a read-only session", "set default_transaction_read_only = on", /read-only transaction/],
    ["another isolation", "set session characteristics as transaction isolation level serializable", undefined],
    ["another search path", "set search_path = audit, pg_temp", /relation "receipts" does not exist/],
    ["no row security", "set row_security = off", undefined],
    ["another role", `set role ${roles.app}`, undefined],
    [
      "another zone and other forms of dates",
      "set timezone = 'Pacific/Kiritimati'; set datestyle = 'German'; set intervalstyle = 'sql_standard'",
      undefined,
    ],
    [
      "other forms of values",
      "set extra_float_digits = -15; set bytea_output = 'escape'; set quote_all_identifiers = on",
      undefined,
    ],
    [
      "a forged hint of a batch",
      `do $$ begin perform set_config('audit.batch', 'on', false), set_config('audit.chain_heads_' || n, '(0,1)', false) from generate_series(0, 127) n; end $$`,
      undefined,
    ],
    ["locks", "select pg_advisory_lock(n) from generate_series(1, 100) n", undefined],
    ["a cursor", "declare c cursor with hold for select * from receipts", undefined],
  ])("hands on %s, and the next receipt is sealed and there, or refused in words", async (_what, leave, refusal) => {
    const [one, next] = [await connect(), await connect()];
    await one.query(leave);
    const receipt = newReceipt({ actor_id: "careless" });
    // A later PgBouncer may follow a parameter that this one hands on: from 1.26 on, whether sessions are read-only.
    const refused = await storeReceipts(next, [receipt]).then(
      () => undefined,
      (error: unknown) => (error as Error).message,
    );
    if (refused !== undefined) expect(refused).toMatch(refusal ?? "no refusal");
    const { rows } = await admin.query("select from public.receipts where id = $1", [receipt.id]);
    expect(rows).toHaveLength(refused === undefined ? 1 : 0);
    expect(await chainFaults(admin)).toEqual([]);
  });

  test("is answered for by the guard: a statement that took the place of the INSERT tells of no receipt", async () => {
    // Its own Client of pg: what the guard does to it is done to no other test.
    class Guarded extends pg.Client {}
    prepareStatements({ Pool: pg.Pool, Client: Guarded }, 32, silentLog);
    const controlPlane = new Guarded({ connectionString: shared.url("controlPlane", pooledDatabase.controlPlane) });
    await controlPlane.connect();
    const store = (id: string) =>
      controlPlane.query(
        `insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision)
         values ($1, gen_random_uuid(), 'skipped', 'deny', '{}', '{}') returning id`,
        [id],
      );
    const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
    await store(first);
    const hostile = await connect();
    const { rows } = await hostile.query<{ name: string }>("select name from pg_prepared_statements");
    expect(rows).not.toEqual([]);
    for (const { name } of rows) {
      await hostile.query(`deallocate "${name}"`);
      await hostile.query(`prepare "${name}" (uuid) as select $1 as id`);
    }
    await expect(store(second)).rejects.toThrow(/answered INSERT by SELECT/);
    await store(third);
    const ids = [first, second, third];
    const { rows: stored } = await admin.query<{ id: string }>("select id from receipts where id = any($1)", [ids]);
    expect(stored.map(({ id }) => id).sort()).toEqual([first, third].sort());
    await controlPlane.end();
  });

  test.each([
    ["a table of its own under the same name", "create temp table receipts (like public.receipts)"],
    ["a mode in which no trigger runs", "set session_replication_role = replica"],
    ["another role's session", `set session authorization ${roles.owner}`],
  ])("cannot be handed %s", async (_what, leave) => {
    const client = await connect();
    await expect(client.query(leave)).rejects.toThrow(/permission denied/);
  });
});

/** The four statements of the control plane's key rotation, which it sends to its pool and not to one connection. */
async function rotateKey(controlPlane: pg.Pool): Promise<void> {
  await controlPlane.query("begin");
  await controlPlane.query("select pg_sleep(0.05)");
  await controlPlane.query("commit");
}

/** Many requests at once, each writing a receipt and counting it when it is told that it is stored. */
async function writeThrough(controlPlane: pg.Pool, during: () => Promise<void>): Promise<string[]> {
  const acknowledged: string[] = [];
  let stop = false;
  const writers = Array.from({ length: 20 }, async (_, agent) => {
    while (!stop) {
      const id = randomUUID();
      await controlPlane.query(
        `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision)
         values ($1, gen_random_uuid(), 'skipped', 'deny', $2, '{}', '{}')`,
        [id, `agent-${agent % 4}`],
      );
      acknowledged.push(id);
    }
  });
  await sleep(200);
  await during();
  await sleep(500);
  stop = true;
  await Promise.all(writers);
  return acknowledged;
}

describe("the lock table, filled through the pooler again and again", () => {
  const receipt =
    "insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision) " +
    "values (gen_random_uuid(), gen_random_uuid(), 'skipped', 'deny', '{}', '{}')";
  // A pooler of its own: what the attack does to its connections is not for the other tests to meet.
  let attacked: Pod;
  let heartbeat: Server;
  beforeEach(async () => {
    attacked = await startPod(serverCa);
    const { user, password } = current.monitor;
    heartbeat = new Server(server.url(user, databaseName, password), "heartbeat", 1);
  });
  afterEach(async () => {
    await attacked.stop();
    await heartbeat.end();
    await admin.query(`set role ${roles.owner}; select from audit.repair_roles(); reset role`);
  });

  /** As the guard's: a query that is never answered is given up (ops/guard/limits.ts). */
  const patience = { connectionTimeoutMillis: 20_000, query_timeout: 20_000 };

  /** Whether each receipt was stored, in order, from the first time that the guard ended one of a role's two clients that fill the table. */
  async function storedUnderAttack(by: "app" | "telemetry", enough: (stored: readonly boolean[]) => boolean) {
    let stop = false;
    let guarded = false;
    const log = { ...silentLog, warn: () => (guarded = true) };
    const once = async (database: string, login: "app" | "telemetry", sql: string) => {
      const client = await attacked.connect(attacked.url(login, database), patience);
      // Not waited for: of a connection that the pooler's end cuts off just then, the driver's end() never comes.
      await client.query(sql).finally(() => void client.end().catch(() => undefined));
    };
    const fill = async (key: number) => {
      const locks = `select pg_advisory_lock(${key}, g) from generate_series(1, 1000000) g`;
      while (!stop) await once(pooledDatabase[by], by, locks).catch(() => sleep(5));
    };
    // More often than the monitor, which looks each second: a statement that fills the table fails at once where it is small, and is seen
    // by chance. What is tried here comes after that.
    const guard = async () => {
      for (; !stop; await sleep(50)) await relieveLockTable(heartbeat, log, new AbortController().signal);
    };
    await relieveLockTable(heartbeat, silentLog, new AbortController().signal);
    const working = Promise.all([fill(1), fill(2), guard()]);
    const stored: boolean[] = [];
    // A connection is kept, as the control plane keeps its own: twenty logins take longer than the attack.
    let client: pg.Client | undefined;
    const store = async () => {
      client ??= await attacked.connect(attacked.url("controlPlane", pooledDatabase.controlPlane), patience);
      await client.query(receipt);
    };
    for (const until = Date.now() + 150_000; !enough(stored) && Date.now() < until; await sleep(20)) {
      const after = guarded;
      const done = await store().then(
        () => true,
        () => {
          void client?.end().catch(() => undefined);
          client = undefined;
          return false;
        },
      );
      if (after) stored.push(done);
    }
    stop = true;
    await attacked.stop();
    await working;
    return stored;
  }

  test("by telemetry is ended, and receipts are stored while it is tried again", async () => {
    const undisturbed = (stored: readonly boolean[]) => stored.length >= 20 && stored.slice(-20).every(Boolean);
    expect(undisturbed(await storedUnderAttack("telemetry", undisturbed))).toBe(true);
  }, 240_000);

  test("by the control plane's role, which is never locked out, leaves receipts stored in between", async () => {
    const some = (stored: readonly boolean[]) => stored.includes(true);
    expect(some(await storedUnderAttack("app", some))).toBe(true);
  }, 240_000);
});

describe("the control plane's key rotation, whose BEGIN and COMMIT go over different connections", () => {
  test("is refused and costs no receipt: every one that was acknowledged is there when the pooler is gone", async () => {
    const doomed = await startPod(serverCa);
    const controlPlane = new pg.Pool({
      connectionString: doomed.url("controlPlane", pooledDatabase.controlPlane),
      max: 10, // the driver's default, which the control plane does not change
    });
    controlPlane.on("error", () => undefined);
    try {
      const acknowledged = await writeThrough(controlPlane, () =>
        expect(rotateKey(controlPlane)).rejects.toThrow(/transaction blocks not allowed/),
      );
      await doomed.stop();
      const { rows } = await admin.query("select id from receipts where id = any($1::uuid[])", [acknowledged]);
      expect(acknowledged.length).toBeGreaterThan(20);
      expect(rows).toHaveLength(acknowledged.length);
    } finally {
      await doomed.stop();
      await controlPlane.end();
    }
  });
});

describe("a program whose statements the guard prepares", () => {
  buildGuard();
  /** Ten connections, as the control plane's, write receipts and read them again, until the program is told to end. */
  const source = `
    import { randomUUID } from "node:crypto";
    import pg from "pg";
    const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
    const [stored, failed] = [[], []];
    let stop = false;
    process.once("SIGTERM", () => (stop = true));
    const write = async (agent) => {
      const id = randomUUID();
      await pool.query("select receipt_hash from receipts where receipt_hash is not null order by created_at desc limit 1");
      const { rows } = await pool.query(
        "insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision) values ($1, gen_random_uuid(), 'skipped', 'deny', $2, '{}', '{}') returning *", [id, agent]);
      const { rows: [found] } = await pool.query("select * from receipts where id = $1", [id]);
      if (rows[0].id !== id || found.id !== id || found.actor_id !== agent) throw new Error("another receipt");
      await pool.query("insert into tallies (stored) values ($1)", [stored.length]);
      await pool.query("select from tallies where stored = $1", [stored.length]);
      stored.push(id);
      if (stored.length % 100 === 0) console.log(stored.length + " stored");
    };
    const work = async (agent) => { while (!stop) await write(agent).catch((error) => failed.push(error.message)); };
    await Promise.all(Array.from({ length: 10 }, (_, i) => work("prepared-" + i)));
    const { rows: [{ count }] } = await pool.query("select count(*) from pg_prepared_statements");
    console.log(JSON.stringify({ stored, failed, prepared: Number(count) }));
    await pool.end();`;

  // A table that a migration may do anything to.
  beforeAll(() =>
    admin.query(`create table tallies (stored text); alter table tallies owner to ${roles.owner};
      grant select, insert on tallies to ${roles.app}`),
  );

  interface Outcome {
    stored: string[];
    failed: string[];
    /** Statements that the server has prepared on the last connection. */
    prepared: number;
  }
  /** Through a pod of its own that keeps so many prepared. `during` comes when some receipts are stored, and more are stored after it. */
  async function work(kept: number, asked: number, during: () => Promise<unknown> = () => Promise.resolve()) {
    const pooler = await startPod(serverCa, { preparedStatements: kept });
    const url = pooler.url("controlPlane", pooledDatabase.controlPlane);
    const program = start(source, { env: { DATABASE_URL: url, PREPARED_STATEMENTS: String(asked) } });
    try {
      await program.printed("100 stored");
      await during();
      const before = Number(/(\d+) stored\n$/.exec(program.output.stdout)?.[1]);
      await program.printed(`${before + 300} stored`);
      program.kill("SIGTERM");
      expect(await program.end, program.output.stderr).toBe(0);
    } finally {
      program.kill("SIGKILL");
      await pooler.stop();
    }
    const outcome = JSON.parse(program.output.stdout.trim().split("\n").at(-1) ?? "") as Outcome;
    const { rows } = await admin.query("select id from receipts where actor_id like 'prepared-%'");
    const tallies = await admin.query("select from tallies");
    await admin.query(`set role ${roles.owner}; truncate receipts, audit.receipt_history, tallies; reset role`);
    return { ...outcome, inDatabase: rows.map(({ id }: { id: string }) => id), tallies: tallies.rowCount };
  }
  const storedOnce = ({ stored, failed, inDatabase, tallies }: Awaited<ReturnType<typeof work>>) => {
    expect(failed).toEqual([]);
    expect(tallies).toBe(stored.length);
    expect(inDatabase.toSorted()).toEqual(stored.toSorted());
  };

  // As on the local cloud, which asks the version: an older pooler is sent nothing that it would have to keep.
  test("finds them prepared on whatever connection it gets, where the pooler can do that", async () => {
    const outcome = await work(32, prepares() ? 32 : 0);
    storedOnce(outcome);
    if (prepares()) expect(outcome.prepared).toBeGreaterThanOrEqual(3);
    else expect(outcome.prepared).toBe(0);
  });

  test.each([
    ["keeps fewer than it uses", 1],
    ["keeps none, though the guard was told otherwise", 0],
  ])("is served by a pooler that %s, and each receipt is stored once", async (_, kept) => {
    storedOnce(await work(kept, 32));
  });

  const migrate = (table: string, change: string) =>
    admin.query(`set role ${roles.owner}; alter table ${table} ${change}; reset role`);

  test("notices nothing of a migration that adds a column to a table that it reads whole, and of one that removes it", async () => {
    storedOnce(
      await work(32, 32, async () => {
        await migrate("receipts", "add column note text");
        await sleep(200);
        await migrate("receipts", "drop column note");
      }),
    );
  });

  test("notices nothing of a migration that gives a column that it compares and writes another type", async () => {
    storedOnce(await work(32, 32, () => migrate("tallies", "alter column stored type int using stored::int")));
  });
});

describe("a statement that failed, asked for again on the same connection through the guard", () => {
  buildGuard();
  test.each([
    [
      "while it was parsed",
      `[["select nothing from receipts", []], ["select nothing from receipts", []]]`,
      ['column "nothing" does not exist', 'column "nothing" does not exist'],
    ],
    [
      "for a value that pg cannot send",
      `[["select $1::text", [circular]], ["select $1::text", ["a"]]]`,
      [expect.stringContaining("circular"), "done"],
    ],
  ])("%s, is answered by the server, not by a closed connection", async (_, asked, answers) => {
    const program = start(
      `import pg from "pg";
       const circular = {};
       circular.self = circular;
       const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1 });
       const client = await pool.connect();
       const answers = [];
       for (const [text, values] of ${asked}) answers.push(await client.query(text, values).then(() => "done", (error) => error.message));
       console.log(JSON.stringify(answers));
       process.exit();`,
      { env: { DATABASE_URL: pod.url("controlPlane", pooledDatabase.controlPlane), PREPARED_STATEMENTS: "32" } },
    );
    expect(await program.end, program.output.stderr).toBe(0);
    expect(JSON.parse(program.output.stdout)).toEqual(answers);
  });
});

describe("nobody comes in", () => {
  test.each([
    [
      "with a wrong password",
      () => pod.url("app", pooledDatabase.app, { password: "wrong" }),
      /SASL authentication failed/,
    ],
    [
      "with the password of the role's other login",
      () => pod.url("app", pooledDatabase.app, { password: previous.app.password }),
      /SASL authentication failed/,
    ],
    [
      "as the control plane with the password of the role that it becomes",
      () => pod.url("controlPlane", pooledDatabase.controlPlane, { password: current.app.password }),
      /SASL authentication failed/,
    ],
    [
      "as the owner",
      () => pod.url("app", pooledDatabase.app, current.owner),
      /login rejected|no authentication method/,
    ],
    [
      "to a database that has no pool",
      () => pod.url("app", "postgres"),
      /login rejected|no authentication method|no such database/,
    ],
  ])("%s", async (_how, url, message) => {
    await expect(pod.connect(url())).rejects.toThrow(message);
  });

  test("with settings that transaction pooling would hand to the next client, or lose in silence", async () => {
    await expect(
      pod.connect(pod.url("app", pooledDatabase.app), { options: "-c synchronous_commit=off" }),
    ).rejects.toThrow(/unsupported startup parameter/);
  });

  test("whom the pooler's certificate would not convince: its name and its authority are verified", async () => {
    const url = pod.url("app", pooledDatabase.app);
    await expect(pod.connect(url.replace("@localhost:", "@127.0.0.1:"))).rejects.toThrow(/does not match|altnames/i);
    const other = join(pod.dir, "other-ca.pem");
    writeFileSync(other, serverCa);
    await expect(pod.connect(url.replace(pod.caFile, other))).rejects.toThrow(/self.signed|unable to verify/i);
  });

  test("to the server through a pooler that does not know the server's authority", async () => {
    const mistaken = await startPod((await certificate()).certificate);
    try {
      let cameIn = false;
      mistaken.connect(mistaken.url("app", pooledDatabase.app)).then(
        () => (cameIn = true),
        () => undefined,
      );
      await expect.poll(() => mistaken.log, { timeout: 10_000 }).toMatch(/TLS handshake error.*certificate verif/i);
      expect(cameIn).toBe(false);
    } finally {
      await mistaken.stop();
    }
  });
});

describe("the console", () => {
  test("shows its pools to the monitor, who can stop nothing", async () => {
    const monitor = await pod.connect(pod.url("monitor", "pgbouncer"));
    const { rows } = await monitor.query<{ database: string }>("show pools");
    expect(rows.map(({ database }) => database)).toContain(databaseName);
    await expect(monitor.query("shutdown")).rejects.toThrow(/admin access needed/);
    for (const client of ["app", "controlPlane"] as const)
      await expect(pod.connect(pod.url(client, "pgbouncer"))).rejects.toThrow(/not allowed|no such/);
  });
});

describe("the end of a pod", () => {
  test("on SIGINT comes after the transactions that have begun", async () => {
    const leaving = await startPod(serverCa);
    try {
      const client = await leaving.connect(leaving.url("app", pooledDatabase.app));
      await client.query("begin");
      const transaction = async () =>
        (await client.query<{ id: string }>("select pg_current_xact_id()::text as id")).rows;
      const begun = await transaction();
      leaving.processes.others.kill("SIGINT");
      await sleep(300);
      expect(await transaction()).toEqual(begun);
      expect(await client.query("commit")).toMatchObject({ command: "COMMIT" });
      await expect.poll(() => leaving.processes.others.exitCode, { timeout: 5_000 }).not.toBeNull();
    } finally {
      await leaving.stop();
    }
  });
});
