/** What an instance is made from, where it is restored: `restoreToPointInTime`, asked as RDS' API is asked, or `snapshotIdentifier`. */
import { dirname } from "node:path";
import type { Context, Properties } from "../../handler";
import { AwsError, regionOf, text } from "../account";
import { momentOfRestore, sourceOfRestore } from "./api/automatedBackups";
import { rdsRoot } from "./api/service";
import { placeOf, type AutomatedBackup, type BackupPlace } from "./backups/automated";
import { listSnapshots, snapshotArn, snapshotPlace } from "./backups/snapshots";
import { majorVersionOf } from "./lookup";

export interface RestoredFrom {
  /** As RDS calls it. */
  name: string;
  /** Whose backup it is. */
  instance: AutomatedBackup["instance"];
  place: BackupPlace;
  moment: Date | "latest";
}

const parameterOf = {
  restoreTime: "RestoreTime",
  sourceDbInstanceAutomatedBackupsArn: "SourceDBInstanceAutomatedBackupsArn",
  sourceDbInstanceIdentifier: "SourceDBInstanceIdentifier",
  sourceDbiResourceId: "SourceDbiResourceId",
  useLatestRestorableTime: "UseLatestRestorableTime",
} as const;

/** Undefined where it is made empty. Throws what RDS says of a source that is not there, or does not lead to the moment. */
export function restoredFrom(inputs: Properties, context: Context): RestoredFrom | undefined {
  const region = regionOf(inputs, context);
  const rds = { directory: rdsRoot(dirname(context.directory)) };
  const snapshot = text(inputs.snapshotIdentifier);
  if (snapshot !== undefined) return fromSnapshot(snapshot, region, rds.directory);
  const given = inputs.restoreToPointInTime as Record<string, string | boolean | undefined> | undefined;
  if (given === undefined) return undefined;
  const parameters = new Map(
    Object.entries(parameterOf).flatMap(([property, parameter]) => {
      const value = given[property];
      return value === undefined ? [] : [[parameter, String(value)] as const];
    }),
  );
  const asked = { region, parameters };
  const moment = momentOfRestore(asked, rds);
  const backup = sourceOfRestore(asked, rds);
  return {
    name: backup.id,
    instance: backup.instance,
    place: placeOf(rds.directory, backup),
    moment: moment === "latest" ? moment : new Date(moment),
  };
}

/** By its name, or its ARN. */
function fromSnapshot(wanted: string, region: string, rds: string): RestoredFrom {
  const ofRegion = listSnapshots(rds).filter((snapshot) => snapshot.region === region);
  const found = ofRegion.find((snapshot) => [snapshot.name, snapshotArn(snapshot)].includes(wanted));
  if (found === undefined) throw new AwsError("DBSnapshotNotFound", `DBSnapshot ${wanted} not found in ${region}.`);
  return { name: found.name, instance: found.instance, place: snapshotPlace(rds, found), moment: "latest" };
}

/** What RDS refuses, and what it lets pass and the provider then takes for a change that replaces the instance. */
export function checkRestore(inputs: Properties, { name, instance }: RestoredFrom, context: Context): void {
  const major = majorVersionOf(inputs, context);
  const of = Number(/^\d+/.exec(instance.engineVersion)?.[0]);
  if (of !== major)
    throw new AwsError(
      "InvalidParameterCombination",
      `${name} is a backup of PostgreSQL ${of}, and the instance's parameter group is of postgres${major}`,
    );
  const own: Record<string, string | undefined> = { username: instance.username, kmsKeyId: undefined };
  for (const [property, value] of Object.entries(own))
    if (text(inputs[property]) !== undefined && text(inputs[property]) !== value)
      throw new AwsError(
        "InvalidParameterCombination",
        `${property}: a restored instance keeps ${value ?? "that of its backup"}`,
      );
}
