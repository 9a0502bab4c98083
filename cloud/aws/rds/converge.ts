/** Brings the server behind an instance to what the instance's inputs say, from whatever it is in. */
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { Lost, type Context, type Properties } from "../../handler";
import { number, regionOf, text } from "../account";
import { databaseCaDirectory } from "../databaseCa";
import { rdsRoot } from "./api/service";
import { archivingSettings } from "./backups/archiving";
import { backupId, makePlace, removeBackup } from "./backups/automated";
import { restore } from "./backups/restore";
import { catalogOf, postgres } from "./binaries";
import { serviceParameters, valuesIn } from "./configuration";
import { completed, majorVersionOf, settingsFor, sourceOf } from "./lookup";
import { madeIn, remember } from "./made";
import { needsRestart, shrinks } from "./parameters";
import {
  baseBackup,
  caughtUp,
  ensureSlot,
  promote,
  replicationPassword,
  slotName,
  standbySettings,
  streams,
  type Link,
} from "./replication";
import { restoredFrom, type RestoredFrom } from "./restoredFrom";
import { makeRoles } from "./roles";
import { Server } from "./server";
import { passwordOf } from "./validate";

/** How long a standby may take to begin streaming before it is made anew. */
const streamingPatience = 20_000;

const caDirectoryOf = (context: Pick<Context, "directory">): string => databaseCaDirectory(dirname(context.directory));

export const hasBackups = (inputs: Properties): boolean => (number(inputs.backupRetentionPeriod) ?? 0) > 0;

/** Where an instance's backup is: RDS' directory, and which it is there. */
export const backupOf = (inputs: Properties, context: Context) =>
  [
    rdsRoot(dirname(context.directory)),
    { region: regionOf(inputs, context), id: backupId(context.physicalName) },
  ] as const;

/** The server of an instance. Data of one major version needs the programs of that version. */
export function serverOf(identifier: string, directory: string, context: Context, wantedMajor: number): Server {
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

export function linkOf(inputs: Properties, identifier: string, context: Context): Link | undefined {
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
 * @param restarts whether what changed restarts the server in any case; else static parameters wait for a reboot
 */
export async function converge(
  inputs: Properties,
  server: Server,
  context: Context,
  { existing, restarts = !existing }: { existing: boolean; restarts?: boolean },
): Promise<string[]> {
  const did: string[] = [];
  const settings = settingsFor(inputs, context);
  const caDirectory = caDirectoryOf(context);
  const link = linkOf(inputs, server.name, context);
  const made = madeIn(server);
  await server.ensureCertificate(caDirectory);
  const port = await context.port("postgres");
  const before = valuesIn(server.inForce.parameters);
  if (made !== undefined && before.port !== undefined && before.port !== String(port))
    did.push(`moved to port ${port}`);

  const isStandby = made?.role === "replica";
  const archiving = archivingOf(inputs, server, context);
  const more = link ? await standbySettings(server, link) : isStandby ? keptStandby(before) : {};
  const changed = server.configure(port, settings, { ...archiving, ...more });

  if (made === undefined) {
    if (link) await seed(server, link);
    else if (existing) throw new Lost(`the data of ${server.name} is gone from ${server.data}`);
    else {
      const from = restoredFrom(inputs, context);
      if (from) await restorePrimary(from, inputs, server, context);
      else await createPrimary(inputs, server, context);
    }
    return [existing ? "made anew from its source" : "made"];
  }
  if (!server.alive) {
    did.push(await restart(server, link));
  } else {
    await server.ready();
    // A standby must know that its source has become smaller before it may become so itself.
    if (restarts && link && shrinks(before, settings)) await caughtUp(server, link.source, 10_000);
    if (changed.length > 0) did.push(...(await apply(changed, server, link, { restarts, context })));
  }
  if (link) did.push(...(await keepStreaming(server, link)));
  else if (isStandby) {
    await promote(server);
    remember(server, { ...made, role: "primary" });
    await apply(server.configure(port, settings, archiving), server, undefined, { restarts: true, context });
    did.push("promoted");
  }
  return did;
}

/** What a standby is connected to, until it is promoted: its source may be gone by then. */
const keptStandby = ({ primary_conninfo = "", primary_slot_name = "" }: Record<string, string>) => ({
  primary_conninfo,
  primary_slot_name,
});

/** What archives the log of an instance that has backups. */
function archivingOf(inputs: Properties, server: Server, context: Context): Record<string, string> {
  if (!hasBackups(inputs)) return {};
  return archivingSettings(server, makePlace(...backupOf(inputs, context), server.user).wal);
}

async function createPrimary(inputs: Properties, server: Server, context: Context): Promise<void> {
  await wipe(server);
  // Of an earlier try, whose log has other content under the same names.
  removeBackup(...backupOf(inputs, context));
  archivingOf(inputs, server, context);
  // Durable once it is whole: the files are flushed while the server is set up, not one by one as they are made.
  await server.initialise();
  const flushed = server.run("initdb", ["--sync-only", "-D", server.data]);
  flushed.catch(() => undefined);
  await server.start();
  const master = { username: String(inputs.username), password: passwordOf(inputs), dbName: text(inputs.dbName) };
  await makeRoles(server, master, replicationPassword(server));
  await flushed;
  remember(server, { role: "primary", major: server.binaries.major });
}

/** As RDS does it: with its own parameter group, the roles and passwords of the backup, and a log archive of its own. */
async function restorePrimary(
  { instance, place, moment }: RestoredFrom,
  inputs: Properties,
  server: Server,
  context: Context,
): Promise<void> {
  const [rds, own] = backupOf(inputs, context);
  const [port, settings] = [await context.port("postgres"), settingsFor(inputs, context)];
  await restore(server, { place, moment, settings, port, rds });
  // Of an earlier try, whose log has other content under the same names.
  removeBackup(rds, own);
  await apply(server.configure(port, settings, archivingOf(inputs, server, context)), server, undefined, {
    restarts: true,
    context,
  });
  const master = { username: instance.username, password: passwordOf(inputs), dbName: undefined };
  await makeRoles(server, master, replicationPassword(server));
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

/** Starts a server that has its data. A standby whose data will not do any more has its source to be made from again. */
async function restart(server: Server, link: Link | undefined): Promise<string> {
  if (!link) {
    await server.start();
    return "restarted";
  }
  try {
    await ensureSlot(link);
    await server.start();
    return "restarted";
  } catch (error) {
    server.signal.throwIfAborted();
    if (!link.source.alive) throw error;
    await seed(server, link);
    return "made anew from its source";
  }
}

async function wipe(server: Server): Promise<void> {
  rmSync(join(server.directory, "made.json"), { force: true });
  await server.wipe();
}

async function keepStreaming(server: Server, link: Link): Promise<string[]> {
  const complete = await ensureSlot(link);
  if (complete && (await streams(server, link, streamingPatience))) return [];
  // Without the slot its source may have thrown away what it lacks; where it has not, it catches up.
  if (!complete && (await streams(server, link, 3000))) return ["slot made anew"];
  await seed(server, link);
  return ["made anew from its source"];
}

/** The first few of many names, for a line that a person reads. */
const some = (names: string[]): string =>
  names.length > 5 ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more` : names.join(", ");

/**
 * Has a running server take over changed parameters by a reload. A static one waits for a reboot, as it does on RDS; the service's
 * own do not wait.
 */
async function apply(
  changed: string[],
  server: Server,
  link: Link | undefined,
  { restarts, context }: { restarts: boolean; context: Context },
): Promise<string[]> {
  const atStart = changed.filter((name) => needsRestart(name, catalogOf(server.binaries)));
  if (atStart.some((name) => restarts || name in serviceParameters(server))) {
    const names = some(changed.filter((name) => !name.startsWith("primary_")));
    await server.stop();
    return [`${await restart(server, link)} with ${names}`];
  }
  await server.reload(atStart);
  if (atStart.length > 0) context.log(`${some(atStart)} ${atStart.length === 1 ? "waits" : "wait"} for a reboot`);
  const now = changed.filter((name) => !atStart.includes(name));
  if (now.length === 0) return [];
  const names = some(now.filter((name) => !name.startsWith("primary_")));
  return [names === "" ? "follows its source" : `now with ${names}`];
}
