/** Which server this is, and after how many promotions: its timeline. */
import type pg from "pg";
import { timelineOf, type Anchor, type AnchoredChain } from "../anchorFormat";

export interface Server {
  /** Given at initdb; a copy has the same. '' where the server does not tell. */
  system: string;
  /** One more with each promotion of a standby, and with each restored point in time; 0 where the server does not tell. */
  timeline: number;
}

export async function readServer(client: pg.Client): Promise<Server> {
  const { rows } = await client.query<{ control: boolean; primary: boolean }>(
    `select has_function_privilege('pg_control_system()', 'execute') and has_function_privilege('pg_control_checkpoint()', 'execute') as control,
            not pg_is_in_recovery() as primary`,
  );
  const { control = false, primary = false } = rows[0] ?? {};
  const system = control ? "(select system_identifier::text from pg_control_system())" : "''";
  // What a checkpoint says is late after a promotion; the WAL file's name is not.
  const timeline = primary
    ? "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int4"
    : control
      ? "(select timeline_id from pg_control_checkpoint())"
      : "0";
  const found = await client.query<Server>(`select ${system} as system, ${timeline} as timeline`);
  return found.rows[0] ?? { system: "", timeline: 0 };
}

/**
 * Two servers that went on by themselves from one moment on; a promotion is the one honest way to that.
 * @param of the chain whose end the anchor names
 */
export function afterPromotion(anchor: Anchor, of: AnchoredChain, { timeline, system }: Server): string | undefined {
  const sealed = timelineOf(anchor, of);
  return timeline !== 0 && sealed !== 0 && system === anchor.server.system && timeline !== sealed
    ? `what that anchor names is of timeline ${sealed} and this server of timeline ${timeline}`
    : undefined;
}

/**
 * Whether it may lack what the anchor names without anybody's doing: a promotion or a restore came between. A server of
 * timeline 1 has had neither.
 */
export const mayHaveLost = (anchor: Anchor, of: AnchoredChain, server: Server): boolean =>
  afterPromotion(anchor, of, server) !== undefined ||
  (timelineOf(anchor, of) === 0 && server.timeline > 1) ||
  (server.system !== "" && anchor.server.system !== "" && server.system !== anchor.server.system);
