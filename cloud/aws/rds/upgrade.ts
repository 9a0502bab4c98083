/**
 * A major upgrade in place, by PostgreSQL's own pg_upgrade as on RDS. The data is copied, not linked: what is there stays whole until what
 * takes its place is, so that an upgrade which fails, or is killed at any moment, leaves a server that starts as before.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Context, Properties, Resource } from "../../handler";
import { AwsError } from "../account";
import { postgres } from "./binaries";
import { superuser } from "./configuration";
import { majorOfData, remember } from "./made";
import { instanceType, majorVersionOf, sourceOf, type Resources } from "./lookup";
import { Server } from "./server";

/** RDS upgrades replicas of the instance's own region along, and no others. Here all have to go. */
export function refuseReplicas(current: Resource, to: number, context: Resources): void {
  const replica = context
    .resources(instanceType)
    .find(({ inputs }) => inputs.replicateSourceDb !== undefined && sourceOf(inputs, context)?.urn === current.urn);
  if (replica === undefined) return;
  throw new AwsError(
    "InvalidDBInstanceState",
    `Cannot upgrade ${String(current.outputs.identifier)} to PostgreSQL ${to} while it has the read replica ` +
      `${String(replica.outputs.identifier)} in ${String(replica.outputs.region)}: delete that first.`,
  );
}

/** The server with the version that its instance asks for, upgraded where its data is of an earlier one; stopped in that case. */
export async function upgraded(server: Server, inputs: Properties, context: Context): Promise<Server> {
  const to = majorVersionOf(inputs, context);
  const [place, old] = [join(server.directory, "data"), join(server.directory, "data.old")];
  if (!existsSync(place) && existsSync(old)) renameSync(old, place); // killed between the two below
  const from = server.binaries.major;
  const binaries = postgres(to);
  if (binaries.major !== to) {
    if (from !== to)
      context.log(`PostgreSQL ${to} is not on this machine: nothing was upgraded, and ${from} goes on in its place`);
    return server;
  }
  if (from >= to) return server;
  const next = new Server(server.name, server.directory, binaries, server.user, server.signal);
  if (majorOfData(next) !== to) await runUpgrade(server, next);
  remember(next, { role: "primary", major: to });
  rmSync(old, { recursive: true, force: true });
  return next;
}

async function runUpgrade(server: Server, next: Server): Promise<void> {
  const { directory, data, socketDirectory } = server;
  const [made, old] = [join(directory, "data.new"), join(directory, "data.old")];
  for (const rest of [made, old]) rmSync(rest, { recursive: true, force: true });
  // Nobody but the service comes in, and as many tables are locked at once as there are.
  const files = [`hba_file=${join(directory, "pg_hba.conf")}`, `ident_file=${join(directory, "pg_ident.conf")}`];
  const options = [...files, "max_locks_per_transaction=1024", "ssl=off"].map((setting) => `-c ${setting}`).join(" ");
  const pgUpgrade = (...more: string[]) =>
    next.run("pg_upgrade", [
      ...["--old-bindir", server.binaries.bin, "--new-bindir", next.binaries.bin],
      ...["--old-datadir", data, "--new-datadir", made],
      ...["--username", superuser, "--socketdir", socketDirectory],
      ...["--old-options", options, "--new-options", options],
      ...more,
    ]);
  try {
    await next.initialise(made);
    // What stands in the way is found before anybody is interrupted.
    if (server.alive) await pgUpgrade("--check");
    await server.stop(); // a fast shutdown, which archives what is left of the log
    await pgUpgrade();
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    await server.start();
    throw new Error(`${server.name} was not upgraded and goes on as it was: ${(error as Error).message}`, {
      cause: error,
    });
  }
  renameSync(data, old);
  renameSync(made, data);
}
