/** The automated backups of instances, their own and copies of them: a directory each, by region, apart from the instances' data. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, readIfThere, writeWhole } from "../../../host/files";
import type { ServiceUser } from "../../../host/user";
import { arn, hex } from "../../account";

export interface AutomatedBackup {
  /** "ab-…" */
  id: string;
  region: string;
  retentionDays: number;
  /** The instance whose backup it is, as it was last seen. */
  instance: {
    identifier: string;
    region: string;
    arn: string;
    resourceId: string;
    instanceClass: string;
    engineVersion: string;
    major: number;
    username: string;
    /** Of the server: restored instances have as much. */
    memoryGib: number;
  };
  /** Of which it is a copy; undefined where the instance itself writes to it. */
  copyOf?: { region: string; id: string };
  /** Since when nothing is added to it. What it has is kept until its retention is over. */
  endedAt?: string;
}

/** Where one is: the record, base backups and write-ahead log. */
export interface BackupPlace {
  directory: string;
  bases: string;
  wal: string;
}

/** By the physical name of a resource: a new instance of the same identifier has a backup of its own. */
export const backupId = (seed: string): string => `ab-${hex(seed, 32)}`;

export const backupArn = ({ region, id }: Pick<AutomatedBackup, "region" | "id">): string =>
  arn("rds", region, `auto-backup:${id}`);

const all = (rds: string) => join(rds, "backups");

/** @param rds the directory of RDS' API */
export function placeOf(rds: string, { region, id }: Pick<AutomatedBackup, "region" | "id">): BackupPlace {
  return placeIn(join(all(rds), region, id));
}

export const placeIn = (directory: string): BackupPlace => ({
  directory,
  bases: join(directory, "base"),
  wal: join(directory, "wal"),
});

const recordIn = (directory: string) => join(directory, "backup.json");

export function makePlace(rds: string, which: Pick<AutomatedBackup, "region" | "id">, owner?: ServiceUser) {
  const place = placeOf(rds, which);
  for (const directory of [rds, all(rds), place.directory, place.bases, place.wal]) makeDirectory(directory, owner);
  return place;
}

export function announceBackup(rds: string, backup: AutomatedBackup, owner?: ServiceUser): void {
  const { directory } = makePlace(rds, backup, owner);
  writeWhole(recordIn(directory), JSON.stringify(backup, undefined, 2), { owner });
}

export function findBackup(rds: string, which: Pick<AutomatedBackup, "region" | "id">): AutomatedBackup | undefined {
  const content = readIfThere(recordIn(placeOf(rds, which).directory));
  return content === undefined ? undefined : (JSON.parse(content) as AutomatedBackup);
}

/** Those of all regions. */
export function listBackups(rds: string): AutomatedBackup[] {
  const names = (directory: string) => (existsSync(directory) ? readdirSync(directory) : []);
  return names(all(rds)).flatMap((region) =>
    names(join(all(rds), region)).flatMap((id) => findBackup(rds, { region, id }) ?? []),
  );
}

/** Nothing more is added to it. */
export function endBackup(rds: string, which: Pick<AutomatedBackup, "region" | "id">, owner?: ServiceUser): void {
  const backup = findBackup(rds, which);
  if (backup !== undefined && backup.endedAt === undefined)
    announceBackup(rds, { ...backup, endedAt: new Date().toISOString() }, owner);
}

export function removeBackup(rds: string, which: Pick<AutomatedBackup, "region" | "id">): void {
  rmSync(placeOf(rds, which).directory, { recursive: true, force: true });
}
