/**
 * aws:rds/instance:Instance: a PostgreSQL server of its own. With `replicateSourceDb` a standby that streams from the
 * source; without it, or once it is taken away, a primary.
 */
import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Context, Handler, Properties, Resource } from "../../handler";
import { AwsError, regionOf, text } from "../account";
import { databaseCaDirectory } from "../databaseCa";
import { catalogOf, postgres } from "./binaries";
import { completed, majorVersionOf, settingsFor, sourceOf } from "./lookup";
import { outputsOf } from "./outputs";
import { needsRestart, shrinks } from "./parameters";
import {
  baseBackup,
  caughtUp,
  dropSlot,
  ensureSlot,
  promote,
  replicationPassword,
  slotName,
  standbySettings,
  streams,
  type Link,
} from "./replication";
import { makeRoles, setPassword } from "./roles";
import { Server } from "./server";
import { checkIdentifier, checkInstance, passwordOf } from "./validate";

/** How long a standby may take to begin streaming before it is made anew. */
const streamingPatience = 20_000;

/** What a directory holds once it is whole: what was begun and not finished is begun again. */
interface Made {
  role: "primary" | "replica";
  major: number;
}

const caDirectoryOf = (context: Pick<Context, "directory">): string => databaseCaDirectory(dirname(context.directory));

function madeIn(server: Pick<Server, "read">): Made | undefined {
  const text = server.read("made.json");
  return text === undefined ? undefined : (JSON.parse(text) as Made);
}

const remember = (server: Server, made: Made): boolean => server.write("made.json", JSON.stringify(made));

/** The server of an instance. Data of one major version needs the programs of that version. */
function serverOf(identifier: string, directory: string, context: Context, wantedMajor: number): Server {
  const at = (major: number) => new Server(identifier, directory, postgres(major), context.serviceUser, context.signal);
  const server = at(wantedMajor);
  const made = madeIn(server);
  if (made === undefined || made.major === server.binaries.major) return server;
  const other = at(made.major);
  if (other.binaries.major === made.major) return other;
  throw new Error(
    `the data in ${directory} is of PostgreSQL ${made.major}, which is no longer installed on this machine`,
  );
}

function linkOf(inputs: Properties, identifier: string, context: Context): Link | undefined {
  const source = sourceOf(inputs, context);
  if (source === undefined) return undefined;
  const directory = String(source.outputs.localDirectory);
  const major = majorVersionOf(completed(source.inputs, source), context);
  const server = serverOf(String(source.outputs.identifier), directory, context, major);
  return { source: server, slot: slotName(regionOf(inputs, context), identifier), caDirectory: caDirectoryOf(context) };
}

/**
 * Brings the server to what the inputs say, from whatever it is in: nothing, half made, dead, alive with other
 * parameters, a standby that is to be a primary. Returns what it had to do.
 */
async function converge(inputs: Properties, server: Server, context: Context): Promise<string[]> {
  const did: string[] = [];
  const settings = settingsFor(inputs, context);
  const caDirectory = caDirectoryOf(context);
  const link = linkOf(inputs, server.name, context);
  const made = madeIn(server);
  const renewed = await server.ensureCertificate(caDirectory);
  const port = await context.port("postgres");
  const before = server.configured;
  if (made !== undefined && before.port !== String(port)) did.push(`moved to port ${port}`);

  const isStandby = made?.role === "replica";
  const more = link ? await standbySettings(server, link) : isStandby ? keptStandby(before) : {};
  const changed = server.configure(port, settings, more);

  if (made === undefined) {
    if (link) await seed(server, link);
    else await createPrimary(inputs, server);
    return ["made"];
  }
  if (!server.alive) {
    if (link) await ensureSlot(link);
    await server.start();
    did.push("restarted");
  } else if (changed.length > 0 || renewed) {
    // A standby must know that its source has become smaller before it may become so itself.
    if (link && shrinks(before, settings)) await caughtUp(server, link.source, 10_000);
    did.push(...(await apply(changed, server, context)));
  }
  if (link) did.push(...(await keepStreaming(server, link)));
  else if (isStandby) {
    await promote(server);
    remember(server, { ...made, role: "primary" });
    await apply(server.configure(port, settings), server, context);
    did.push("promoted");
  }
  return did;
}

/** What a standby is connected to, until it is promoted: its source may be gone by then. */
const keptStandby = ({ primary_conninfo = "", primary_slot_name = "" }: Record<string, string>) => ({
  primary_conninfo,
  primary_slot_name,
});

async function createPrimary(inputs: Properties, server: Server): Promise<void> {
  await wipe(server);
  // Durable once it is whole: the files are flushed while the server is set up, not one by one as they are made.
  const locale = process.platform === "linux" ? "C.UTF-8" : "en_US.UTF-8";
  const encoding = ["--encoding=UTF8", `--locale=${locale}`];
  const options = ["--no-sync", "--data-checksums", "--username=rdsadmin", "--auth=reject", ...encoding];
  await server.run("initdb", ["-D", server.data, ...options]);
  const flushed = server.run("initdb", ["--sync-only", "-D", server.data]);
  flushed.catch(() => undefined);
  await server.start();
  const master = { username: String(inputs.username), password: passwordOf(inputs), dbName: text(inputs.dbName) };
  await makeRoles(server, master, replicationPassword(server));
  await flushed;
  remember(server, { role: "primary", major: server.binaries.major });
}

/** Makes a standby from its source's data as of now. */
async function seed(server: Server, link: Link): Promise<void> {
  await wipe(server);
  await baseBackup(server, link);
  await server.start(); // which flushes the copied files before it recovers from them
  if (!(await streams(server, link, streamingPatience)))
    throw new Error(`${server.name} does not stream from ${link.source.name}; its log ends:\n${server.lastLog()}`);
  remember(server, { role: "replica", major: server.binaries.major });
}

async function wipe(server: Server): Promise<void> {
  await server.stop("immediate");
  rmSync(`${server.directory}/made.json`, { force: true });
  if (existsSync(server.data)) rmSync(server.data, { recursive: true });
}

async function keepStreaming(server: Server, link: Link): Promise<string[]> {
  const complete = await ensureSlot(link);
  if (complete && (await streams(server, link, streamingPatience))) return [];
  // Without the slot its source may have thrown away what it lacks; where it has not, it catches up.
  if (!complete && (await streams(server, link, 3000))) return ["slot made anew"];
  await seed(server, link);
  return ["made anew from its source"];
}

/** Has a running server take over changed parameters: by a reload, or by a restart where PostgreSQL needs one. */
async function apply(changed: string[], server: Server, context: Context): Promise<string[]> {
  const atStart = changed.filter((name) => needsRestart(name, catalogOf(server.binaries)));
  const names = changed.filter((name) => !name.startsWith("primary_"));
  if (atStart.length === 0) {
    await server.reload();
    return names.length > 0 ? [`now with ${names.join(", ")}`] : [];
  }
  context.log(`restarts for ${atStart.join(", ")}: on RDS this waits for a reboot`);
  await server.stop();
  await server.start();
  return [`restarted with ${names.join(", ")}`];
}

async function outputs(inputs: Properties, identifier: string, server: Server, context: Context): Promise<Properties> {
  const [row] = await server.query<{ version: string }>("select current_setting('server_version') as version");
  const version = /^\d+(\.\d+)*/.exec(row?.version ?? "")?.[0] ?? String(server.binaries.major);
  const source = sourceOf(inputs, context);
  return outputsOf(inputs, { identifier, port: server.configuredPort, version, source }, context);
}

/** The server of an instance that exists, whatever its inputs have come to. */
const existing = (current: Resource, context: Context): Server =>
  serverOf(
    String(current.outputs.identifier),
    context.directory,
    context,
    majorVersionOf({ engineVersion: current.outputs.engineVersion }, context),
  );

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
    checkInstance(inputs, context);
    const major = majorVersionOf(inputs, context);
    const server = serverOf(identifier, context.directory, context, major);
    if (server.binaries.major !== major && inputs.replicateSourceDb === undefined)
      context.log(`PostgreSQL ${server.binaries.major} of this machine stands for the ${major} that is asked for`);
    await converge(inputs, server, context);
    // Made by a run that was interrupted before it could say so: with the password of then.
    if (inputs.replicateSourceDb === undefined) await changePassword(inputs, server);
    const made = await outputs(inputs, identifier, server, context);
    return { id: String(made.resourceId), outputs: made };
  },

  async update(current, given, context) {
    checkInstance(given, context, current);
    const inputs = completed(given, current);
    const server = existing(current, context);
    await converge(inputs, server, context);
    if (inputs.replicateSourceDb === undefined) await forgetSlot(current, context);
    const version = (all: Properties) => all.passwordWoVersion;
    const changed = given.password !== current.inputs.password || version(given) !== version(current.inputs);
    if (changed && inputs.replicateSourceDb === undefined) await changePassword(inputs, server);
    return outputs(inputs, server.name, server, context);
  },

  async heal(current, context) {
    const inputs = completed(current.inputs, current);
    checkInstance(current.inputs, context, current);
    const server = existing(current, context);
    const did = await converge(inputs, server, context);
    if (did.length === 0) return undefined;
    return { did: did.join(", "), outputs: await outputs(inputs, server.name, server, context) };
  },

  async stop(current, context) {
    const server = existing(current, context);
    await server.stop();
    server.forgetSocketDirectory();
  },

  async delete(current, context) {
    if (current.inputs.deletionProtection === true) {
      throw new AwsError(
        "InvalidParameterCombination",
        "Cannot delete protected DB Instance, please disable deletion protection and try again.",
      );
    }
    const server = existing(current, context);
    await server.stop("immediate");
    await forgetSlot(current, context);
    server.forgetSocketDirectory();
  },

  async status(current, context) {
    const server = existing(current, context);
    if (!server.alive) return { healthy: false, text: "not running" };
    const at = `localhost:${server.configuredPort}`;
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
