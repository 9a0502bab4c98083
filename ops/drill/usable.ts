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

interface Server {
  host: string;
  port: number;
  /** File with the certificates that its own is verified by. */
  caFile: string;
}

const urlOf = ({ host, port, caFile }: Server, user: string, password: string): string =>
  `postgresql://${user}:${password}@${host}:${port}/${databaseName}?sslmode=verify-full&sslrootcert=${encodeURIComponent(caFile)}`;

export interface Using {
  applicationName: string;
  signal: AbortSignal;
  /** How long the server may take to know a new password, and to be reached. */
  waitSeconds: number;
}

export interface TakenOver {
  /** The newest write that was restored. */
  moment: string;
  urls: Record<"app" | "auditor", string>;
}

/** Gives the roles that the drill logs in as passwords of its own. */
export async function takeOver(
  server: Server,
  master: { user: string; password: string },
  using: Using,
): Promise<TakenOver> {
  const url = urlOf(server, master.user, master.password);
  const passwords = { app: newPassword(), auditor: newPassword() };
  const moment = await once(using, () =>
    withConnection({ ...using, url, timeoutSeconds: using.waitSeconds }, async (client) => {
      for (const role of ["app", "auditor"] as const)
        await client.query(
          `alter role ${pg.escapeIdentifier(roles[role])} password ${pg.escapeLiteral(scramVerifier(passwords[role]))}`,
        );
      return newestMoment(client);
    }),
  );
  const urls = {
    app: urlOf(server, roles.app, passwords.app),
    auditor: urlOf(server, roles.auditor, passwords.auditor),
  };
  return { moment, urls };
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

/** A receipt as the control plane writes one, by the application's own role; returns its id once it is stored and sealed. */
export async function writeReceipt(url: string, using: Using): Promise<string> {
  const id = randomUUID();
  const decision = { outcome: "deny", reason: "DRILL" };
  const envelope = { action: { type: "drill.write", resource: "restored" }, principal: { id: "authensor-drill" } };
  return withConnection({ ...using, url }, async (client) => {
    try {
      await client.query(
        `insert into receipts (id, envelope_id, status, decision_outcome, tool_name, actor_id, envelope, decision)
         values ($1, $2, 'skipped', 'deny', 'drill.write', 'authensor-drill', $3, $4)`,
        [id, randomUUID(), envelope, decision],
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
