/**
 * A failover as it happens, on two servers: the replica no longer receives, the primary goes on and acknowledges, the
 * replica is promoted. What was left behind is named, gone on without, found by each verification, and brought back
 * from the bucket and from the old primary.
 */
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { roles } from "../../ops/roles";
import { startPostgres, superuser, type TestPostgres } from "../postgres";
import { newReceipt, storeReceipts } from "../receipts";
import { lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../s3";
import { runOps } from "./programs";

let old: TestPostgres;
let promoted: TestPostgres;
let s3: TestS3;
let database: string;
/** Told to their agents, and not received by the replica: the first two are in the bucket. */
let left: string[];

const on = async <T>(server: TestPostgres, role: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = await server.connect(server.url(role, database));
  return work(client).finally(() => client.end());
};

const acknowledged = (server: TestPostgres, ...agents: string[]) =>
  on(server, roles.app, async (app) =>
    (
      await storeReceipts(
        app,
        agents.map((actor_id) => newReceipt({ actor_id })),
      )
    ).map(({ id }) => id),
  );

const archived = (server: TestPostgres) =>
  on(server, roles.archiver, (client) => {
    const bucket = new Bucket(s3.client({ forcePathStyle: true }), "backups", new AbortController().signal);
    return archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000 });
  });

const run = (program: string, role: string, args: string[], env: Record<string, string> = {}) =>
  runOps(program, args, {
    ...s3.environment,
    AWS_ENDPOINT_URL_S3: s3.url,
    DATABASE_URL: promoted.url(role, database),
    BACKUP_BUCKET: "backups",
    BACKUP_REGION: testRegion,
    ENVIRONMENT: "test",
    ...env,
  });

const caughtUp = async () => {
  const { rows } = await on(old, superuser, (client) =>
    client.query<{ lsn: string }>("select pg_current_wal_lsn() as lsn"),
  );
  await on(promoted, superuser, (client) =>
    client.query(
      `do $$ begin while pg_last_wal_replay_lsn() < '${rows[0]!.lsn}' loop perform pg_sleep(0.01); end loop; end $$`,
    ),
  );
};

beforeAll(async () => {
  [old, s3] = await Promise.all([startPostgres(), testS3({})]);
  makeBucket(s3.root, "backups", lockedBucket);
  database = new URL((await old.createDatabase({ migrated: true })).url(superuser)).pathname.slice(1);
  promoted = await old.startStandby();
  await acknowledged(old, "a", "b", "a", "idle", "idle");
  await archived(old);
  await caughtUp();
  await on(promoted, superuser, (client) => client.query("alter system set primary_conninfo = ''"));
  await on(promoted, superuser, (client) => client.query("select pg_reload_conf()"));
  await on(promoted, superuser, (client) =>
    client.query(
      "do $$ begin while exists (select from pg_stat_wal_receiver) loop perform pg_sleep(0.01); end loop; end $$",
    ),
  );
  left = await acknowledged(old, "a", "b");
  await archived(old);
  left.push(...(await acknowledged(old, "a", "c")));
  await on(promoted, superuser, (client) => client.query("select pg_promote()"));
});
afterAll(() => Promise.all([old.stop(), promoted.stop(), s3.close()]));

const idsIn = (text: string) =>
  [...text.matchAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=: place)/g)].map(([id]) => id).sort();

it("before anything is sealed exactly the archived ones are named, and accepted", async () => {
  const { code, stderr } = await run("missing", roles.verifier, []);
  expect([code, idsIn(stderr)]).toEqual([1, left.slice(0, 2).sort()]);
  const [, digest = ""] = /acceptMissing (\S+), and/.exec(stderr) ?? [];
  expect((await run("missing", roles.verifier, ["--accept", digest])).code).toBe(0);
});

it("once the chain of one goes on, a verification finds what forked and what was cut off, and names both receipts", async () => {
  await acknowledged(promoted, "a", "a", "d");
  const { code, stderr } = await run("verify", roles.verifier, ["--archived"]);
  expect(code).toBe(1);
  expect(stderr).toContain('forked: the chain of agent "a" forked at receipt 3 or before');
  expect(stderr).toContain('cut-off-tail: the chain of agent "b" ends at receipt 1');
  expect(idsIn(stderr)).toEqual(left.slice(0, 2).sort());
});

it("once the archiver has passed the fork by, its manifest still tells whose the ends are that it found nowhere", async () => {
  const failed = await run("archive", roles.archiver, []);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('agent "b" has in the bucket alone: archive --accept-fork "b" --at 1 --by');
  const { code, stderr } = await run("verify", roles.verifier, ["--archived"]);
  expect(code).toBe(1);
  expect(stderr).toContain('forked: the chain of agent "a" forked at receipt 3 or before');
  expect(stderr).toContain("what that anchor names is of timeline 1 and this server of timeline 2");
  expect(stderr).not.toContain("rewritten");
});

it("what is left of the old primary archives and compacts nothing any more: the bucket is of a later timeline", async () => {
  for (const program of ["archive", "compact"]) {
    const { code, stderr } = await run(program, roles.archiver, [], {
      DATABASE_URL: old.url(roles.archiver, database),
    });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/this server is of timeline 1, and manifest \d+ of timeline 2: another one was promoted/),
    ]);
  }
});

it("what is left of the old primary pages at once for it, by the problem that its archiver tells its monitor of", async () => {
  const { rows } = await on(old, roles.monitor, (client) =>
    client.query("select problems::int, summary from audit.archive"),
  );
  expect(rows).toEqual([
    { problems: 1, summary: expect.stringContaining("another one was promoted in its place") as unknown },
  ]);
});

it("the archiver goes on once both forks are accepted, and what is still lost is told with them", async () => {
  await acknowledged(promoted, "b");
  const accept = (agent: string, place: string) =>
    run("archive", roles.archiver, [
      "--accept-fork",
      agent,
      "--at",
      place,
      "--by",
      "Ana",
      "--reason",
      "failover of today",
    ]);
  expect((await accept("a", "2")).code).toBe(1); // b's is left
  const accepted = await accept("b", "1");
  expect(accepted.code, accepted.stderr).toBe(0);
  const { code, stderr } = await run("verify", roles.verifier, ["--archived"]);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("2 receipts of another timeline not here: see reconcile");
});

it("all that was acknowledged is brought in, from the bucket and from the old primary, and is there only once", async () => {
  const both = { OLD_DATABASE_URL: old.url(roles.auditor, database) };
  const named = await run("reconcile", roles.verifier, [], both);
  expect([named.code, idsIn(named.stderr)]).toEqual([1, [...left].sort()]);
  const done = await run("reconcile", roles.owner, ["--bring-in"], both);
  expect(done.code, done.stderr).toBe(0);
  const again = await run("reconcile", roles.owner, ["--bring-in"], both);
  expect(again.lines.at(-1)).toMatchObject({ broughtIn: 0, recoveredBefore: 4 });
  const { rows } = await on(promoted, roles.auditor, (client) =>
    client.query<{ id: string; actor_id: string }>(
      "select id, actor_id from receipts where id = any ($1::uuid[]) order by array_position($1::uuid[], id)",
      [left],
    ),
  );
  expect(rows).toEqual(left.map((id, i) => ({ id, actor_id: `recovered:${["a", "b", "a", "c"][i]}` })));
});

it("the trail is whole then, with the bucket, says who accepted which fork, and misses nothing any more", async () => {
  expect((await run("archive", roles.archiver, [])).code).toBe(0);
  const { code, stderr } = await run("verify", roles.verifier, ["--archived"]);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(
    /2 accepted forks: agent "a" after receipt 2 \(left: 3 to 3\), by Ana at .*; agent "b" after receipt 1 \(left: 2 to 2\)/,
  );
  expect(stderr).not.toContain("not here");
});

it("what the promoted server had itself and is cut off is no failover's doing, though it is brought in: also of an agent that was silent since", async () => {
  const cut = (agent: string, last: number) => `
    delete from receipts where actor_id = '${agent}' and chain_seq > ${last};
    update audit.chain_heads h
       set seq = r.chain_seq, sealed_at = r.sealed_at, seal = r.chain_seal,
           receipt_hash = r.receipt_hash, prev_receipt_hash = r.prev_receipt_hash
      from receipts r where r.actor_id = h.agent and h.agent = '${agent}' and r.chain_seq = ${last}`;
  await on(promoted, superuser, (client) =>
    client.query(`set session_replication_role = replica; ${cut("a", 3)}; ${cut("idle", 1)}`),
  );
  expect((await run("reconcile", roles.owner, ["--bring-in"])).code).toBe(0);
  const { code, stderr } = await run("verify", roles.verifier, ["--archived"]);
  expect(code).toBe(1);
  expect(stderr).toContain('cut-off-tail: the chain of agent "a" ends at receipt 3');
  expect(stderr).toContain('cut-off-tail: the chain of agent "idle" ends at receipt 1');
});

/** Checkpoint `seq` stands for all of an agent's receipts from now on, as where their month has left. */
const leave = (agent: string, seq: number) => `
  set session_replication_role = replica;
  insert into audit.checkpoints
    select ${seq}, 'receipts', actor_id, 1, chain_seq, chain_seal, receipt_hash, month, now(),
           audit.checkpoint_seal(before, ${seq}, 'receipts', actor_id, 1, chain_seq, chain_seal, receipt_hash, month, now())
      from receipts, to_char(created_at at time zone 'UTC', '"receipts_"YYYY_MM') month,
           coalesce((select c.seal from audit.checkpoints c where c.seq = ${seq} - 1), '') before
     where actor_id = '${agent}' order by chain_seq desc limit 1;
  delete from receipts where actor_id = '${agent}'`;

it("once their month has left the database, recovered receipts are neither named as missing nor stored again", async () => {
  await on(promoted, superuser, (client) => client.query(leave("recovered:a", 1)));
  for (const args of [[], ["--bring-in"]]) {
    const { code, stderr } = await run("reconcile", roles.owner, args);
    expect([code, idsIn(stderr).length], stderr).toEqual([3, 2]);
    expect(stderr).toContain("has left this database with recovered receipts of this agent");
    expect(stderr).toContain("nothing is missing that can be brought in, and not all is known to be kept");
  }
});

it("what a client had put into the chain of recovered ones, and has left with its month, keeps no receipt from being brought in", async () => {
  await on(promoted, superuser, (client) =>
    client.query(`${leave("recovered:b", 2)}; delete from audit.imports where agent = 'recovered:b'`),
  );
  const named = await run("reconcile", roles.verifier, []);
  expect([named.code, named.stderr], named.stderr).toEqual([1, expect.stringContaining(`${left[1]}: place 2 of`)]);
  expect((await run("reconcile", roles.owner, ["--bring-in"])).lines).toContainEqual(
    expect.objectContaining({ message: "recovered", receipt: left[1] }),
  );
});
