/** ops/missing/standby: a replica whose primary is gone for good. Nobody can close that one, so a refusal that asks for it would never end. */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLog } from "../../ops/log";
import { standbyProblems } from "../../ops/missing/standby";
import { roles } from "../../ops/roles";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { newReceipt, storeReceipts } from "../receipts";

let server: TestPostgres;
let replica: TestPostgres;
let database: TestDatabase;
beforeEach(async () => {
  server = await startPostgres();
  database = await server.createDatabase({ migrated: true });
  replica = await server.startStandby();
});
afterEach(() => Promise.all([server.stop(), replica.stop()]));

const on = async <T>(url: string, work: (client: pg.Client) => Promise<T>) => {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  return work(client).finally(() => client.end());
};
/** As the Job asks, with a minute's patience made shorter. */
const problems = (stuckMs: number) =>
  on(replica.url(roles.verifier, database.name), (client) =>
    standbyProblems(client, { log: silentLog, signal: new AbortController().signal }, { stuckMs, replayMs: 60_000 }),
  );
const onReplica = async <T>(sql: string) => {
  const standby = await replica.connect(replica.url(superuser, database.name));
  return (await standby.query<{ value: T }>(`select ${sql} as value`)).rows[0]!.value;
};

it("a replica that was restarted replays what is on its own disk, and its primary does not live for it: all of that is waited for", async () => {
  const standby = await replica.connect(replica.url(superuser));
  await standby.query("alter system set recovery_min_apply_delay = '4s'");
  await standby.query("select pg_reload_conf()");
  await on(database.url(roles.app), async (client) => {
    for (let i = 0; i < 10; i++, await sleep(300))
      await storeReceipts(client, [newReceipt({ actor_id: "a", decision_outcome: "allow" })]);
  });
  await sleep(500);
  await server.crash();
  await standby.end();
  await replica.restart();
  expect(await problems(20_000)).toEqual([]);
  expect(await onReplica<number>("(select count(*)::int from receipts)")).toBe(10);
});

it("the beginning of a record whose end never came is not waited for: nothing will ever replay it", async () => {
  const admin = await server.connect(server.url(superuser));
  admin.on("error", () => undefined);
  await admin.query("begin");
  const beginning = "pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()";
  // The primary flushes whole pages of it until something is committed.
  await expect
    .poll(
      async () => {
        await admin.query("select pg_logical_emit_message(false, 'x', repeat('y', 1000000))");
        await sleep(1000);
        return onReplica<boolean>(beginning);
      },
      { timeout: 20_000 },
    )
    .toBe(true);
  await server.crash();
  await expect.poll(() => onReplica<number>("(select count(*)::int from pg_stat_wal_receiver)")).toBe(0);
  expect(await onReplica<boolean>(beginning)).toBe(true);
  expect(await problems(2000)).toEqual([]);
});
