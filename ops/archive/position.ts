/** How far a server's log has come: whether a standby shows already what the bucket has. */
import type pg from "pg";
import { outOfDate } from "../database";
import { Failure } from "../program";

/** Fails on a standby that has not replayed `least`, or is out of date. To be asked before the snapshot is taken. */
export async function assertNotBehind(client: pg.Client, least: string | undefined): Promise<void> {
  await assertReplayed(client, least);
  const age = await outOfDate(client);
  if (age !== undefined) throw new Failure(`the replica is out of date: ${age}`);
}

/** Fails on a standby that has not replayed `least`, which the bucket has: what it shows looks like rows that were lost. */
export async function assertReplayed(client: pg.Client, least: string | undefined): Promise<void> {
  const { rows } = await client.query<{ at: string }>(
    `select pg_last_wal_replay_lsn()::text as at where pg_is_in_recovery() and pg_last_wal_replay_lsn() < $1::pg_lsn`,
    [least ?? "0/0"],
  );
  if (rows[0])
    throw new Failure(
      `the replica has replayed up to ${rows[0].at}, and the bucket has what was written up to ${least}`,
    );
}

/** What the snapshot shows was written up to there. To be asked once the snapshot is taken. */
export async function logPosition(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ lsn: string }>(
    `select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text as lsn`,
  );
  return rows[0]?.lsn ?? "";
}
