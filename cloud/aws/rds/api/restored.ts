/** Instances that RDS' API makes by a restore, and may change and delete: those of the program are the program's. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { freePort, stillOurs } from "../../../host/ports";
import { arn, AwsError } from "../../account";
import { findBackup, placeOf } from "../backups/automated";
import { restore } from "../backups/restore";
import { setPassword } from "../roles";
import { forgetSocketDirectory } from "../socketDirectory";
import { momentOfRestore, sourceOfRestore } from "./automatedBackups";
import { defaultGroup, groupSettings } from "./groups";
import { describe, instanceOf, requireAvailable } from "./instances";
import { find, forget, list, write, type Known, type Restored } from "./known";
import type { Call, Rds } from "./call";
import { serverBehind } from "./servers";
import { tagsOf } from "./tags";

const isTrue = (value: string | undefined) => value === "true";

/** Answers at once; the instance is `creating` until its server accepts connections, or `restore-error`: then its events say why. */
export function restoreInstance(call: Call, rds: Rds): object {
  const { region, parameters } = call;
  const identifier = (parameters.get("TargetDBInstanceIdentifier") ?? "").toLowerCase();
  if (!/^[a-z](-?[a-z0-9])*$/.test(identifier) || identifier.length > 63)
    throw new AwsError("InvalidParameterValue", `TargetDBInstanceIdentifier is not a valid identifier: ${identifier}`);
  if (find(rds.directory, region, identifier) !== undefined)
    throw new AwsError("DBInstanceAlreadyExists", `DB instance ${identifier} already exists in ${region}`);
  const backup = sourceOfRestore(call, rds);
  const { instanceClass, engineVersion, major, memoryGib, username } = backup.instance;
  const known: Known = {
    identifier,
    region,
    arn: arn("rds", region, `db:${identifier}`),
    instanceClass: parameters.get("DBInstanceClass") ?? instanceClass,
    engineVersion,
    multiAz: isTrue(parameters.get("MultiAZ")),
    parameterGroup: parameters.get("DBParameterGroupName") ?? defaultGroup({ engineVersion }),
    port: 0,
    directory: join(rds.directory, "restored", `${region}.${identifier}`),
    major,
    memoryGib,
    tags: tagsOf(parameters),
    restored: {
      status: "creating",
      from: { region, id: backup.id },
      moment: momentOfRestore(call, rds),
      master: username,
      deletionProtection: isTrue(parameters.get("DeletionProtection")),
      events: [],
    },
  };
  groupSettings(rds.directory, known); // throws where there is no such group
  write(rds.directory, known);
  void begin(known, rds);
  return { DBInstance: describe(known, rds) };
}

/** Writes down what has become of an instance, unless it was deleted meanwhile. */
function becomes(known: Known, rds: Rds, change: Partial<Known>, restored: Partial<Restored>, message?: string): void {
  const now = find(rds.directory, known.region, known.identifier);
  if (now?.restored === undefined || now.restored.status === "deleting") return;
  const events = message === undefined ? [] : [{ at: new Date().toISOString(), message }];
  const all = [...now.restored.events, ...events];
  write(rds.directory, { ...now, ...change, restored: { ...now.restored, ...restored, events: all } });
}

function begin(known: Known, rds: Rds): Promise<void> {
  const ending = new AbortController();
  const done = make(known, rds, AbortSignal.any([rds.signal, ending.signal]));
  rds.restores.set(known.arn, { ending, done });
  return done.finally(() => rds.restores.delete(known.arn));
}

async function make(known: Known, rds: Rds, signal: AbortSignal): Promise<void> {
  const { from, moment } = known.restored!;
  const server = serverBehind(known, signal);
  try {
    const backup = findBackup(rds.directory, from);
    if (backup === undefined) throw new Error(`the automated backup ${from.id} is gone`);
    const port = await freePort();
    await restore(server, {
      place: placeOf(rds.directory, backup),
      moment: moment === "latest" ? moment : new Date(moment),
      settings: groupSettings(rds.directory, known),
      port,
      rds: rds.directory,
    });
    becomes(known, rds, { port }, { status: "available" }, `Restored from ${from.id} of ${from.region} to ${moment}`);
  } catch (error) {
    if (signal.aborted) return; // deleted, or begun again by the next process
    const { message } = error as Error;
    console.error(`${known.identifier}: ${message}`);
    await server.stop("immediate");
    becomes(known, rds, {}, { status: "restore-error" }, message);
  }
}

function restoredOf({ region, parameters }: Call, rds: Rds): Known & { restored: Restored } {
  const known = instanceOf(rds, region, parameters.get("DBInstanceIdentifier") ?? "");
  const { restored } = known;
  if (restored !== undefined) return { ...known, restored };
  throw new AwsError(
    "InvalidDBInstanceState",
    `${known.identifier} is an instance of the program: on this machine only the program changes or deletes it.`,
  );
}

/** A password holds at once; another parameter group from the next reboot on. */
export function modifyInstance(call: Call, rds: Rds): object {
  const known = restoredOf(call, rds);
  requireAvailable(known, rds);
  const { parameters } = call;
  const password = parameters.get("MasterUserPassword");
  const protection = parameters.get("DeletionProtection");
  const parameterGroup = parameters.get("DBParameterGroupName") ?? known.parameterGroup;
  const multiAz = parameters.has("MultiAZ") ? isTrue(parameters.get("MultiAZ")) : known.multiAz;
  const settings = groupSettings(rds.directory, { ...known, parameterGroup });
  const server = serverBehind(known, rds.signal);
  server.configure(known.port, settings);
  const deletionProtection = protection === undefined ? known.restored.deletionProtection : isTrue(protection);
  const change = { parameterGroup, multiAz };
  becomes(known, rds, change, { deletionProtection, status: password === undefined ? "available" : "modifying" });
  if (password !== undefined)
    void setPassword(server, known.restored.master, password)
      .then(() => becomes(known, rds, {}, { status: "available" }, "The master user password was reset"))
      .catch((error: unknown) => becomes(known, rds, {}, { status: "available" }, (error as Error).message));
  return { DBInstance: describe(instanceOf(rds, known.region, known.identifier), rds) };
}

export function deleteInstance(call: Call, rds: Rds): object {
  const known = restoredOf(call, rds);
  if (known.restored.deletionProtection)
    throw new AwsError(
      "InvalidParameterCombination",
      "Cannot delete protected DB Instance, please disable deletion protection and try again.",
    );
  if (!isTrue(call.parameters.get("SkipFinalSnapshot")))
    throw new AwsError("InvalidParameterCombination", "the local cloud makes no snapshots: set SkipFinalSnapshot");
  becomes(known, rds, {}, { status: "deleting" });
  void remove(known, rds);
  return { DBInstance: describe(instanceOf(rds, known.region, known.identifier), rds) };
}

async function remove(known: Known, rds: Rds): Promise<void> {
  const restore = rds.restores.get(known.arn);
  restore?.ending.abort(new Error("deleted"));
  await restore?.done;
  await serverBehind(known).wipe();
  forgetSocketDirectory(known.directory);
  rmSync(known.directory, { recursive: true, force: true });
  forget(rds.directory, known);
}

/** Why a restore failed is told by RDS in an event. */
export function describeEvents({ region, parameters }: Call, rds: Rds): object {
  const identifier = parameters.get("SourceIdentifier");
  const instances = list(rds.directory, region).filter(
    (known) => known.identifier === (identifier ?? known.identifier),
  );
  const events = instances.flatMap(({ identifier, arn, restored }) =>
    (restored?.events ?? []).map(({ at, message }) => ({
      SourceIdentifier: identifier,
      SourceType: "db-instance",
      SourceArn: arn,
      Message: message,
      Date: at,
    })),
  );
  return { Events: { Event: events } };
}

/** For a person, as of the program's instances; @param rds the API's own directory. */
export const restoredStatus = (rds: string) =>
  restoredIn(rds).map((known) => {
    const { status, from, moment, events } = known.restored!;
    const { alive } = serverBehind(known);
    const healthy = status === "available" ? alive : status !== "restore-error";
    const running = `PostgreSQL on localhost:${known.port}, restored from ${from.id} of ${from.region} to ${moment}`;
    const what = `restored instance ${known.identifier}`;
    if (status !== "available")
      return { what, healthy, text: [status, events.at(-1)?.message].filter(Boolean).join(": ") };
    return { what, healthy, text: alive ? running : "not running" };
  });

/** Those that run are stopped with everything else; @param rds the API's own directory. */
export async function stopRestored(rds: string): Promise<void> {
  await Promise.all(restoredIn(rds).map((known) => serverBehind(known).stop()));
}

const restoredIn = (rds: string) => list(rds).filter(({ restored }) => restored !== undefined);

/** Carries on with what an ended process has left: half restored, half deleted, stopped. What fails does not hold up the others. */
export async function resume(rds: Rds): Promise<void> {
  for (const known of restoredIn(rds.directory)) {
    const status = known.restored?.status;
    try {
      if (status === "creating") await begin(known, rds);
      else if (status === "deleting") await remove(known, rds);
      else if (status === "available" || status === "modifying") await startAgain(known, rds);
    } catch (error) {
      rds.signal.throwIfAborted();
      console.error(`${known.identifier}: ${(error as Error).message}`);
    }
  }
}

async function startAgain(known: Known, rds: Rds): Promise<void> {
  const server = serverBehind(known, rds.signal);
  if (!server.alive) {
    const port = (await stillOurs(known.port, known.directory)) ? known.port : await freePort();
    server.configure(port, groupSettings(rds.directory, known));
    await server.start();
    becomes(known, rds, { port }, {}, "Started again");
  }
  becomes(known, rds, {}, { status: "available" });
}
