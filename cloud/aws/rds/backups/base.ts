/** Base backups: a copy of a server's data from which its write-ahead log leads to any later moment. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, writeWhole } from "../../../host/files";
import { superuser } from "../configuration";
import type { Server } from "../server";
import type { BackupPlace } from "./automated";
import { segmentOf } from "./segments";

export interface Base {
  /** "20261128T201500Z", of its beginning. */
  name: string;
  /** By then it was there: it leads to moments after this one. */
  endedAt: string;
  /** The first and the last segment that it cannot do without. */
  first: string;
  last: string;
  /** Major version of the server: that of a major upgrade is a new beginning. */
  major: number;
}

export const dataOf = ({ bases }: BackupPlace, { name }: Base) => join(bases, name, "data");

/** One that is not whole yet. */
const unfinished = /\.new$/;

/** Takes one and verifies it: it is there under its name when both is done, with the log that it needs archived. */
export async function takeBase(server: Server, place: BackupPlace): Promise<Base> {
  removeUnfinished(place);
  const name = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const directory = join(place.bases, `${name}.new`);
  makeDirectory(directory, server.user);
  const data = join(directory, "data");
  // Without the log: the server waits until it has archived what this needs, so that the archive is tried with it.
  const what = ["--pgdata", data, "--checkpoint=fast", "--wal-method=none", "--manifest-checksums=SHA256"];
  const from = ["--host", server.socketDirectory, "--port", String(server.port), "--username", superuser];
  await server.run("pg_basebackup", [...what, ...from, "--no-password"]);
  await verifyBase(server, data);
  const manifest = JSON.parse(readFileSync(join(data, "backup_manifest"), "utf8")) as Manifest;
  const { Timeline: timeline, "Start-LSN": start, "End-LSN": end } = manifest["WAL-Ranges"].at(-1)!;
  const endedAt = new Date().toISOString();
  const { major } = server.binaries;
  const base: Base = { name, endedAt, first: segmentOf(timeline, start), last: segmentOf(timeline, end), major };
  writeWhole(join(directory, "base.json"), JSON.stringify(base), { owner: server.user });
  renameSync(directory, join(place.bases, name));
  return base;
}

interface Manifest {
  "WAL-Ranges": { Timeline: number; "Start-LSN": string; "End-LSN": string }[];
}

/** Every file is as it was copied. The log is elsewhere. */
export async function verifyBase(server: Server, data: string): Promise<void> {
  await server.run("pg_verifybackup", ["--no-parse-wal", "--quiet", data]);
}

export function removeUnfinished({ bases }: BackupPlace): void {
  for (const name of readdirSync(bases))
    if (unfinished.test(name)) rmSync(join(bases, name), { recursive: true, force: true });
}

/** The oldest first. */
export function listBases({ bases }: BackupPlace): Base[] {
  const names = existsSync(bases) ? readdirSync(bases).sort() : [];
  return names
    .filter((name) => !unfinished.test(name))
    .map((name) => JSON.parse(readFileSync(join(bases, name, "base.json"), "utf8")) as Base);
}
