/** Closes the primary to whoever writes, for good, and waits until a replica has all that it has accepted. */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { refusePooler } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";
import { roles, secondLogin } from "../roles";
import { takeAnchor } from "../takeAnchor";

/** The maintenance role too: its daily run repairs roles, and would open the others. */
const writers = [roles.app, roles.telemetry, roles.monitor, roles.maintenance].flatMap((role) => [
  role,
  secondLogin(role),
]);

/** None of them may be seen for so long: one that was let in just before is not listed at once. */
const quietMs = 1000;

/**
 * In the database itself: no rule of a network ends a connection, and a session may set aside that transactions are
 * read-only. It reaches the replica with all else, and is there when a lost region comes back. `migrate up` opens
 * again.
 */
export async function fence(client: pg.Client, log: Log, signal: AbortSignal): Promise<void> {
  await refusePooler(client);
  const close = writers.map((login) => `alter role ${pg.escapeIdentifier(login)} nologin;`);
  let ended = 0;
  // A run of the maintenance role may have been repairing them just then; once its sessions have ended there is no other.
  do {
    await client.query(`begin; ${close.join(" ")} commit`);
    ended += await endSessions(client, signal);
  } while (!(await isFenced(client)));
  log.info("fenced: nobody can write any more", { ended });
}

/** Returns how many there were, once none is seen any more. */
async function endSessions(client: pg.Client, signal: AbortSignal): Promise<number> {
  let ended = 0;
  for (let quietSince = Date.now(); Date.now() - quietSince < quietMs; await sleep(100, undefined, { signal })) {
    const { rows } = await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = any ($1)",
      [writers],
    );
    if (rows.length > 0) quietSince = Date.now();
    ended += rows.length;
  }
  return ended;
}

/** Whether a server shows that it, or the primary that it follows, is closed. */
export async function isFenced(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query("select from pg_roles where rolname = any ($1) and rolcanlogin", [writers]);
  return rows.length === 0;
}

/**
 * Whether each chain ends on the replica where it ends on the fenced primary, once all that was written has been
 * replayed there.
 * @throws Failure where it does not within that time
 */
export async function awaitReplica(
  primary: pg.Client,
  replica: pg.Client,
  { waitSeconds, log, signal }: { waitSeconds: number; log: Log; signal: AbortSignal },
): Promise<void> {
  const there = await takeAnchor(primary);
  const { rows: written } = await primary.query<{ lsn: string }>("select pg_current_wal_flush_lsn()::text as lsn");
  const { lsn } = written[0]!;
  const replayed = async () =>
    (await replica.query<{ done: boolean }>("select pg_last_wal_replay_lsn() >= $1::pg_lsn as done", [lsn])).rows[0]!
      .done;
  for (const until = Date.now() + waitSeconds * 1000; !(await replayed()); await sleep(100, undefined, { signal }))
    if (Date.now() > until)
      throw new Failure(`the replica has not replayed up to ${lsn} within ${waitSeconds} s`, [
        "The primary stays fenced, and nothing is lost. Deploy again to go on waiting, or without fencedRegion to have it write again.",
      ]);
  const here = await takeAnchor(replica);
  const ends = ({ chains, imports }: typeof here) => JSON.stringify({ chains, imports });
  if (ends(here) !== ends(there))
    throw new Failure("the replica has replayed everything, and its chains end elsewhere than the primary's", [
      `primary: ${there.receipts} receipts, ${there.changes} changes; replica: ${here.receipts} receipts, ${here.changes} changes`,
      "Promote nothing. Verify both: docs/verification.md.",
    ]);
  log.info("the replica has every receipt", { receipts: here.receipts, changes: here.changes, lsn });
}
