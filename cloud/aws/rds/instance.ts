/**
 * aws:rds/instance:Instance: a PostgreSQL server of its own. With `replicateSourceDb` a standby that streams from the
 * source; without it, or once it is taken away, a primary, made empty or restored (`restoreToPointInTime`, `snapshotIdentifier`).
 */
import { dirname } from "node:path";
import type { Context, Handler, Properties, Resource } from "../../handler";
import { waitUntil } from "../../host/wait";
import { AwsError, regionOf, text } from "../account";
import { announce, forget } from "./api/known";
import { announceBackup, endBackup, removeBackup, type AutomatedBackup } from "./backups/automated";
import { backupOf, converge, hasBackups, linkOf, serverOf } from "./converge";
import { completed, majorVersionOf, memoryGibOf, sourceOf } from "./lookup";
import { outputsOf } from "./outputs";
import { dropSlot, type Link } from "./replication";
import { setPassword } from "./roles";
import { checkRestore, restoredFrom } from "./restoredFrom";
import type { Server } from "./server";
import { forgetSocketDirectory } from "./socketDirectory";
import { upgraded } from "./upgrade";
import { checkIdentifier, checkInstance, passwordOf } from "./validate";

async function outputs(inputs: Properties, identifier: string, server: Server, context: Context): Promise<Properties> {
  const [row] = await server.query<{ version: string }>("select current_setting('server_version') as version");
  const version = /^\d+(\.\d+)*/.exec(row?.version ?? "")?.[0] ?? String(server.binaries.major);
  const source = sourceOf(inputs, context);
  const all = outputsOf(inputs, { identifier, port: server.port, version, source }, context);
  const memoryGib = memoryGibOf(inputs, context);
  announce(dirname(context.directory), { server, outputs: all, memoryGib }, context.serviceUser);
  keepBackup(inputs, server, { outputs: all, memoryGib }, context);
  return all;
}

/** Has its backups looked after, or no longer. */
function keepBackup(
  inputs: Properties,
  server: Server,
  { outputs, memoryGib }: { outputs: Properties; memoryGib: number },
  context: Context,
): void {
  const [rds, which] = backupOf(inputs, context);
  if (!hasBackups(inputs)) return removeBackup(rds, which);
  const { identifier, region, arn, resourceId, instanceClass, engineVersion, username } = outputs as Record<
    string,
    string
  >;
  const { major } = server.binaries;
  const retentionDays = Number(inputs.backupRetentionPeriod);
  const instance = { identifier, region, arn, resourceId, instanceClass, engineVersion, username, major, memoryGib };
  announceBackup(rds, { ...which, retentionDays, instance } as AutomatedBackup, context.serviceUser);
}

/** The server of an instance that exists, whatever its inputs have come to. */
const serverBehind = (current: Resource, context: Context): Server =>
  serverOf(
    String(current.outputs.identifier),
    context.directory,
    context,
    majorVersionOf({ engineVersion: current.outputs.engineVersion }, context),
  );

/** Has a replica receive nothing any more, as where the network fails between it and its source. */
export async function stopReceiving(current: Resource, context: Context): Promise<void> {
  const replica = serverBehind(current, context);
  await replica.query("alter system set primary_conninfo = ''");
  await replica.query("select pg_reload_conf()");
  const silent = async () => (await replica.query("select from pg_stat_wal_receiver")).length === 0;
  await waitUntil(`${replica.name} receives nothing`, silent, {
    timeoutMs: 30_000,
    everyMs: 50,
    signal: context.signal,
  });
}

export const instance: Handler = {
  replaceOnChange: [
    "availabilityZone",
    "backupTarget",
    "characterSetName",
    "customIamInstanceProfile",
    "identifier",
    "identifierPrefix",
    "kmsKeyId",
    "region",
    "restoreToPointInTime",
    "snapshotIdentifier",
    "storageEncrypted",
    "timezone",
  ],

  async create(inputs, context) {
    const region = regionOf(inputs, context);
    const identifier = (text(inputs.identifier) ?? context.physicalName).toLowerCase();
    checkIdentifier(identifier, region, context);
    const from = restoredFrom(inputs, context);
    if (from) checkRestore(inputs, from, context);
    checkInstance(inputs, context);
    const major = majorVersionOf(inputs, context);
    const server = serverOf(identifier, context.directory, context, major);
    if (server.binaries.major !== major && inputs.replicateSourceDb === undefined)
      context.log(`PostgreSQL ${major} is not on this machine; ${server.binaries.major} runs in its place`);
    await converge(inputs, server, context, { existing: false });
    // Made by a run that was interrupted before it could say so: with the password of then.
    if (inputs.replicateSourceDb === undefined) await changePassword(inputs, server);
    const made = await outputs(inputs, identifier, server, context);
    return { id: String(made.resourceId), outputs: made };
  },

  async update(current, given, context) {
    checkInstance(given, context, current);
    const inputs = completed(given, current);
    const server =
      given.allowMajorVersionUpgrade === true
        ? await upgraded(serverBehind(current, context), inputs, context)
        : serverBehind(current, context);
    const restarts = given.instanceClass !== current.inputs.instanceClass;
    await converge(inputs, server, context, { existing: true, restarts });
    if (inputs.replicateSourceDb === undefined) await forgetSlot(current, context);
    const version = (all: Properties) => all.passwordWoVersion;
    const changed = given.password !== current.inputs.password || version(given) !== version(current.inputs);
    if (changed && inputs.replicateSourceDb === undefined) await changePassword(inputs, server);
    return outputs(inputs, server.name, server, context);
  },

  async heal(current, context) {
    const inputs = completed(current.inputs, current);
    checkInstance(current.inputs, context, current);
    const server = serverBehind(current, context);
    const did = await converge(inputs, server, context, { existing: true });
    if (did.length === 0) return undefined;
    return { did: did.join(", "), outputs: await outputs(inputs, server.name, server, context) };
  },

  async stop(current, context) {
    const server = serverBehind(current, context);
    await server.stop();
    forgetSocketDirectory(server.directory);
  },

  async delete(current, context) {
    if (current.inputs.deletionProtection === true) {
      throw new AwsError(
        "InvalidParameterCombination",
        "Cannot delete protected DB Instance, please disable deletion protection and try again.",
      );
    }
    const server = serverBehind(current, context);
    await server.stop("immediate");
    await forgetSlot(current, context);
    forgetSocketDirectory(server.directory);
    const [rds, which] = backupOf(current.inputs, context);
    forget(rds, { region: which.region, identifier: server.name });
    if (current.inputs.deleteAutomatedBackups === false) endBackup(rds, which, context.serviceUser);
    else removeBackup(rds, which);
  },

  async status(current, context) {
    const server = serverBehind(current, context);
    if (!server.alive) return { healthy: false, text: "not running" };
    const at = `localhost:${server.port}`;
    try {
      const [row] = await server.query<{
        standby: boolean;
        receiver: string | null;
        lag: string | null;
        sessions: number;
      }>(
        `select pg_is_in_recovery() as standby,
                (select status from pg_stat_wal_receiver) as receiver,
                pg_size_pretty(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())) as lag,
                (select count(*)::int from pg_stat_activity where backend_type = 'client backend') - 1 as sessions`,
      );
      if (row?.standby !== true) return { healthy: true, text: `PostgreSQL on ${at}, ${row?.sessions ?? 0} sessions` };
      const healthy = row.receiver === "streaming";
      return { healthy, text: `standby on ${at}, ${healthy ? `streaming, ${row.lag} to apply` : "not streaming"}` };
    } catch (error) {
      return { healthy: false, text: `on ${at}, but does not answer: ${(error as Error).message}` };
    }
  },
};

async function changePassword(inputs: Properties, server: Server): Promise<void> {
  const password = passwordOf(inputs);
  if (password !== undefined) await setPassword(server, String(inputs.username), password);
}

/** A slot that nobody reads keeps its source's write-ahead log for ever. */
async function forgetSlot(current: Resource, context: Context): Promise<void> {
  let link: Link | undefined;
  try {
    link = linkOf(current.inputs, String(current.outputs.identifier), context);
  } catch {
    return; // the source is gone, and the slot with it
  }
  if (link?.source.alive) await dropSlot(link.source, link.slot);
}
