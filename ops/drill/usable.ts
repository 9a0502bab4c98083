/** Makes a restored server usable: new passwords, since nobody's real one belongs there, and a first receipt as the application. */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { sqlState, withConnection } from "../database";
import { Failure } from "../program";
import { databaseName, roles } from "../roles";
import { newestMoment } from "../verify/restored";
import { scramVerifier } from "../../postgres/scramVerifier";

/** Letters and digits: nothing to be escaped in a URL. */
export const newPassword = (): string => randomBytes(24).toString("hex");

/** A restored server, and the passwords of the logins that the drill uses there. */
export interface Server {
  host: string;
  port: number;
  /** File with the certificates that its own is verified by. */
  caFile: string;
  passwords: Readonly<Record<string, string>>;
}

export const urlOf = (
  { host, port, caFile, passwords }: Server,
  user: string,
  database: string = databaseName,
): string =>
  `postgresql://${user}:${passwords[user]}@${host}:${port}/${database}?sslmode=verify-full&sslrootcert=${encodeURIComponent(caFile)}`;

export interface Using {
  applicationName: string;
  signal: AbortSignal;
  /** How long the server may take to know a new password, and to be reached. */
  waitSeconds: number;
}

/** Writes a receipt; verifies; compares: what each of these is done as. */
const logins = [roles.app, roles.auditor, roles.archiver];

/** Gives the roles that the drill logs in as passwords of its own; returns the server with those, and the newest write that was restored. */
export async function takeOver(
  { passwords, ...server }: Server,
  owner: string,
  using: Using,
): Promise<{ server: Server; moment: string }> {
  const all = { ...passwords, ...Object.fromEntries(logins.map((role) => [role, newPassword()])) };
  const moment = await once(using, () =>
    withConnection(
      { ...using, url: urlOf({ ...server, passwords }, owner), timeoutSeconds: using.waitSeconds },
      async (client) => {
        for (const role of logins)
          await client.query(
            `alter role ${pg.escapeIdentifier(role)} password ${pg.escapeLiteral(scramVerifier(all[role] ?? ""))}`,
          );
        return newestMoment(client);
      },
    ),
  );
  return { server: { ...server, passwords: all }, moment };
}

/** Tries until the password is known there: RDS changes it some seconds after it said so. */
async function once<T>({ signal, waitSeconds }: Using, work: () => Promise<T>): Promise<T> {
  const end = Date.now() + 1000 * waitSeconds;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const refused = error instanceof Failure && /password authentication failed/.test(error.message);
      if (!refused || Date.now() > end) throw error;
      await sleep(500, undefined, { signal });
    }
  }
}

/** Whose the drill's own receipts are: in restored databases only. */
export const drillAgent = "authensor-drill";

/** A receipt as the control plane writes one, by the application's own role; returns its id once it is stored and sealed. */
export async function writeReceipt(url: string, using: Using): Promise<string> {
  const id = randomUUID();
  const decision = { outcome: "deny", reason: "DRILL" };
  const envelope = { action: { type: "drill.write", resource: "restored" }, principal: { id: drillAgent } };
  return withConnection({ ...using, url }, async (client) => {
    try {
      await client.query(
        `insert into receipts (id, envelope_id, status, decision_outcome, tool_name, actor_id, envelope, decision)
         values ($1, $2, 'skipped', 'deny', 'drill.write', $3, $4, $5)`,
        [id, randomUUID(), drillAgent, envelope, decision],
      );
    } catch (error) {
      throw new Failure(
        `${roles.app} cannot write a receipt in the restored database: ${(error as Error).message} (${sqlState(error) ?? "no SQLSTATE"})`,
      );
    }
    const { rows } = await client.query<{ seal: Buffer | null }>(
      "select chain_seal as seal from receipts where id = $1",
      [id],
    );
    if (rows[0]?.seal?.length !== 32)
      throw new Failure("the receipt that was written into the restored database is not there, or is not sealed");
    return id;
  });
}
