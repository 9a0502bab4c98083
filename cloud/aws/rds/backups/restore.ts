/** Makes a server's data from a base backup and the archived log, as of a moment. */
import { dirname } from "node:path";
import { run } from "../../../host/command";
import { makeDirectory } from "../../../host/files";
import { databaseCaDirectory } from "../../databaseCa";
import type { Settings } from "../parameters";
import type { Server } from "../server";
import { recoverySettings } from "./archiving";
import type { BackupPlace } from "./automated";
import { dataOf, listBases, verifyBase } from "./base";
import { listSegments } from "./segments";
import { planFor } from "./window";

/** As long as the log takes to be applied. */
const recoveryMs = 24 * 3600 * 1000;

export interface Restore {
  place: BackupPlace;
  moment: Date | "latest";
  settings: Settings;
  port: number;
  /** RDS' directory: the certificate authority is beside it. */
  rds: string;
}

/** Returns once the server accepts connections, as a primary of its own. Throws what is missing or damaged, and where. */
export async function restore(server: Server, { place, moment, settings, port, rds }: Restore): Promise<void> {
  makeDirectory(server.directory, server.user);
  await server.wipe();
  const plan = planFor(moment, { bases: listBases(place), segments: listSegments(place.wal) });
  if (plan === undefined) throw new Error(`no base backup in ${place.bases} leads to ${String(moment)}`);
  const { major } = server.binaries;
  if (plan.base.major !== major)
    throw new Error(
      `the base backup that leads to ${String(moment)} is of PostgreSQL ${plan.base.major}, before a major upgrade: RDS restores ` +
        `that as ${plan.base.major}, this machine restores what is of ${major} only`,
    );
  if (plan.missing !== undefined) throw new Error(`WAL segment ${plan.missing} is missing from ${place.wal}`);
  const base = dataOf(place, plan.base);
  await verifyBase(server, base);
  await run("cp", ["-a", base, server.data], { signal: server.signal, ...(server.user && { user: server.user }) });
  await server.ensureCertificate(databaseCaDirectory(dirname(rds)));

  // Not standing by meanwhile: a standby may not be smaller than its source, and this one has the default parameter group.
  const recovery = { ...recoverySettings(server, place.wal), hot_standby: "off" };
  const target = {
    recovery_target_time: moment === "latest" ? "" : postgresTime(moment),
    recovery_target_action: "promote",
  };
  server.write("data/recovery.signal", "");
  server.configure(port, settings, { ...recovery, ...target });
  try {
    await start(server);
  } catch (error) {
    // Within the window and nothing was committed after it: then the end of the log is that moment.
    if (!/recovery ended before configured recovery target was reached/.test(server.log())) throw error;
    server.configure(port, settings, recovery);
    await start(server);
  }
  await server.stop();
  server.configure(port, settings);
  await server.start();
}

/** Read before the server knows of time zones' names, "Z" among them. */
const postgresTime = (moment: Date): string => moment.toISOString().replace("T", " ").replace("Z", "+00");

async function start(server: Server): Promise<void> {
  try {
    await server.start(recoveryMs);
  } catch (error) {
    const damaged = /^restore-wal: (.*)$/m.exec(server.log())?.[1];
    throw damaged === undefined ? error : new Error(`WAL segment ${damaged}`, { cause: error });
  }
}
