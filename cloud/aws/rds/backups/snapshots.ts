/** Snapshots: a base backup each, with the write-ahead log that it cannot do without, under a name until somebody deletes it. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeDirectory, readIfThere, writeWhole } from "../../../host/files";
import { arn, AwsError } from "../../account";
import { find } from "../api/known";
import { serverBehind } from "../api/servers";
import { placeIn, placeOf, type AutomatedBackup } from "./automated";
import { takeBase } from "./base";
import { copy } from "./copies";
import { listSegments } from "./segments";

export interface Snapshot extends Pick<AutomatedBackup, "region" | "instance"> {
  name: string;
}

type Named = Pick<Snapshot, "region" | "name">;

export const snapshotArn = ({ region, name }: Named): string => arn("rds", region, `snapshot:${name}`);

const all = (rds: string) => join(rds, "snapshots");

/** @param rds the directory of RDS' API */
export const snapshotPlace = (rds: string, { region, name }: Named) => placeIn(join(all(rds), region, name));

const recordIn = (directory: string) => join(directory, "snapshot.json");

/** Of an instance that has automated backups. It is there once it is whole. */
export async function takeSnapshot(
  rds: string,
  { backup, name, signal }: { backup: AutomatedBackup; name: string; signal: AbortSignal },
): Promise<Snapshot> {
  const { region, instance } = backup;
  if (!/^[a-z](-?[a-z0-9])*$/.test(name) || name.length > 255)
    throw new AwsError(
      "InvalidParameterValue",
      `The parameter DBSnapshotIdentifier is not a valid identifier: ${name}`,
    );
  const snapshot: Snapshot = { name, region, instance };
  const place = snapshotPlace(rds, snapshot);
  if (existsSync(recordIn(place.directory)))
    throw new AwsError("DBSnapshotAlreadyExists", `DB snapshot ${name} already exists in ${region}`);
  const known = find(rds, region, instance.identifier);
  if (known === undefined) throw new AwsError("DBInstanceNotFound", `DBInstance ${instance.identifier} not found.`);
  const server = serverBehind(known, signal);
  for (const directory of [all(rds), dirname(place.directory), place.directory, place.bases, place.wal])
    makeDirectory(directory, server.user);
  const { first, last } = await takeBase(server, place);
  const { wal } = placeOf(rds, backup);
  for (const segment of listSegments(wal))
    if (segment.name >= first && segment.name <= last) await copy(wal, place.wal, `${segment.name}.gz`);
  writeWhole(recordIn(place.directory), JSON.stringify(snapshot, undefined, 2), { owner: server.user });
  return snapshot;
}

/** Those of all regions. */
export function listSnapshots(rds: string): Snapshot[] {
  const names = (directory: string) => (existsSync(directory) ? readdirSync(directory) : []);
  return names(all(rds)).flatMap((region) =>
    names(join(all(rds), region)).flatMap((name) => {
      const content = readIfThere(recordIn(snapshotPlace(rds, { region, name }).directory));
      return content === undefined ? [] : [JSON.parse(content) as Snapshot];
    }),
  );
}
