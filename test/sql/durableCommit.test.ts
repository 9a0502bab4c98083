/** Whether a commit was on disk when it was acknowledged, whatever the session that made it was told. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let observer: pg.Client;

beforeAll(async () => {
  // The writer of WAL in the background would flush for a session that does not. Autovacuum, and the running transactions
  // that are logged for standbys every 15 s, write WAL that nobody flushes: it would be taken for a commit.
  server = await startPostgres({
    durable: true,
    parameters: {
      wal_writer_delay: "10s",
      wal_writer_flush_after: "1GB",
      autovacuum: "off",
      wal_level: "minimal",
      max_wal_senders: "0",
    },
  });
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  observer = await database.connect();
});

const lazy = ["off", "local", "remote_write"];

/** A client whose startup message itself carries a parameter, as few drivers' can. */
class ClientWithParameter extends pg.Client {
  constructor(
    url: string,
    private readonly parameter: Record<string, string>,
  ) {
    super({ connectionString: url });
  }
  getStartupConf(): Record<string, string> {
    const { getStartupConf } = pg.Client.prototype as unknown as {
      getStartupConf: (this: pg.Client) => Record<string, string>;
    };
    return { ...getStartupConf.call(this), ...this.parameter };
  }
}

const ways: Record<string, (value: string) => Promise<pg.Client>> = {
  "a SET of the session": async (value) => {
    const client = await database.connect(roles.app);
    await client.query(`set synchronous_commit = ${value}`);
    return client;
  },
  "ALTER ROLE, which a role may do to itself": async (value) => {
    const client = await database.connect(roles.app);
    await client.query(`alter role ${roles.app} in database ${database.name} set synchronous_commit = ${value}`);
    return database.connect(roles.app);
  },
  PGOPTIONS: async (value) => {
    const client = new pg.Client({
      connectionString: database.url(roles.app),
      options: `-c synchronous_commit=${value}`,
    });
    await client.connect();
    return client;
  },
  "a startup parameter": async (value) => {
    const client = new ClientWithParameter(database.url(roles.app), { synchronous_commit: value });
    await client.connect();
    return client;
  },
};

/**
 * How many of so many acknowledged commits were not on disk yet. Where a record ends with its page, the place of the next one
 * is behind the header of a page that nothing was written to, 24 bytes (40 in a new segment); a commit of rows has more.
 */
async function late(commits: number, commit: () => Promise<unknown>): Promise<number> {
  let count = 0;
  for (let i = 0; i < commits; i++) {
    await commit();
    const { rows } = await observer.query<{ late: boolean }>(
      "select pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn() > 40 as late",
    );
    if (rows[0]?.late) count++;
  }
  return count;
}

it.each(Object.keys(ways).flatMap((way) => lazy.map((value) => [way, value] as const)))(
  "a receipt sealed by a session with %s to %s is committed with synchronous_commit on",
  async (way, value) => {
    const client = await ways[way]?.(value);
    if (!client) throw new Error(way);
    try {
      const current = async () =>
        (await client.query<{ synchronous_commit: string }>("show synchronous_commit")).rows[0]?.synchronous_commit;
      expect(await current()).toBe(value);
      await client.query("begin");
      const [stored] = await insertReceipts(client, [newReceipt()]);
      expect(await current()).toBe("on");
      await client.query("commit");
      // Only for that transaction: the session is the client's.
      expect(await current()).toBe(value);

      await client.query("begin");
      await client.query("update receipts set rekor_entry_id = 'x' where id = $1", [stored?.id]);
      expect(await current()).toBe("on");
      await client.query("commit");
    } finally {
      await client.end();
    }
  },
);

it("receipts and changes of a session with synchronous_commit off are on disk when they are acknowledged", async () => {
  const client = await database.connect(roles.app);
  await client.query("set synchronous_commit = off");
  // The measurement sees what is not: telemetry's commits do not wait.
  const telemetry = await database.connect(roles.telemetry);
  const event = "insert into telemetry_events (source, name) values ('a', 'b')";
  expect(await late(20, () => telemetry.query(event))).toBeGreaterThan(0);
  await observer.query("checkpoint");

  expect(await late(20, () => insertReceipts(client, [newReceipt()]))).toBe(0);
  let n = 0;
  expect(await late(20, () => client.query(`update receipts set rekor_entry_id = '${++n}'`))).toBe(0);
  const copy = "copy receipts (id, envelope_id, status, decision_outcome, envelope, decision) from stdin";
  const lines = "6c1f3f42-55a8-4ed4-a9a5-000000000001\t6c1f3f42-55a8-4ed4-a9a5-000000000001\tpending\tallow\t{}\t{}\n";
  const env = { ...process.env, PGOPTIONS: "-c synchronous_commit=off" };
  const run = () =>
    Promise.resolve(
      execFileSync(join(server.bin, "psql"), ["-qX", "-c", copy, database.url(roles.app)], { input: lines, env }),
    );
  expect(await late(1, run)).toBe(0);
});

it("a session's remote_apply, which waits for more, is left as it is", async () => {
  const client = await database.connect(roles.app);
  await client.query("begin; set local synchronous_commit = remote_apply");
  await insertReceipts(client, [newReceipt()]);
  expect((await client.query("show synchronous_commit")).rows).toEqual([{ synchronous_commit: "remote_apply" }]);
  await client.query("commit");
});
