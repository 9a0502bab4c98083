/** Automated backups as RDS' API tells of them and finds them. */
import { AwsError } from "../../account";
import { backupArn, listBackups, placeOf, type AutomatedBackup } from "../backups/automated";
import { listBases } from "../backups/base";
import { listSegments } from "../backups/segments";
import { windowOf } from "../backups/window";
import type { Call, Rds } from "./call";

/** What both of a restore's roads ask with: an order to the API, and an instance of the program. */
export type Asked = Pick<Call, "region" | "parameters">;
export type Place = Pick<Rds, "directory">;

const isTrue = (value: string | undefined) => value === "true";

/** Those of a region. */
const ofRegion = (rds: Place, wanted: string) => listBackups(rds.directory).filter(({ region }) => region === wanted);

const restoreWindow = (rds: Place, backup: AutomatedBackup) => {
  const place = placeOf(rds.directory, backup);
  return windowOf({ bases: listBases(place), segments: listSegments(place.wal) });
};

export function describeAutomatedBackups({ region, parameters }: Call, rds: Rds): object {
  const wanted = parameters.get("DBInstanceAutomatedBackupsArn");
  const [identifier, resourceId] = [parameters.get("DBInstanceIdentifier"), parameters.get("DbiResourceId")];
  const found = ofRegion(rds, region)
    .filter((backup) => wanted === undefined || backupArn(backup) === wanted)
    .filter(({ instance }) => identifier === undefined || instance.identifier === identifier)
    .filter(({ instance }) => resourceId === undefined || instance.resourceId === resourceId);
  if (wanted !== undefined && found.length === 0) throw notFound(wanted);
  return { DBInstanceAutomatedBackups: { DBInstanceAutomatedBackup: found.map((backup) => described(backup, rds)) } };
}

const notFound = (what: string) =>
  new AwsError("DBInstanceAutomatedBackupNotFound", `Automated backup ${what} not found.`);

function described(backup: AutomatedBackup, rds: Rds): object {
  const { instance, retentionDays, endedAt } = backup;
  const window = restoreWindow(rds, backup);
  return {
    DBInstanceAutomatedBackupsArn: backupArn(backup),
    DBInstanceArn: instance.arn,
    DBInstanceIdentifier: instance.identifier,
    DbiResourceId: instance.resourceId,
    Region: instance.region,
    Engine: "postgres",
    EngineVersion: instance.engineVersion,
    MasterUsername: instance.username,
    BackupRetentionPeriod: retentionDays,
    Status: endedAt === undefined ? (window ? "active" : "creating") : "retained",
    ...(window && {
      RestoreWindow: { EarliestTime: window.earliest.toISOString(), LatestTime: window.latest.toISOString() },
    }),
  };
}

/** The backup that a restore names: by its ARN, also a copy in this region, or by its instance, which is in this region. */
export function sourceOfRestore({ region, parameters }: Asked, rds: Place): AutomatedBackup {
  const names = ["SourceDBInstanceAutomatedBackupsArn", "SourceDBInstanceIdentifier", "SourceDbiResourceId"] as const;
  const given = names.filter((name) => parameters.has(name));
  if (given.length !== 1) throw new AwsError("InvalidParameterCombination", `give exactly one of ${names.join(", ")}`);
  const [name] = given as [(typeof names)[number]];
  const wanted = parameters.get(name)!;
  const matches = {
    SourceDBInstanceAutomatedBackupsArn: (backup: AutomatedBackup) => backupArn(backup) === wanted,
    SourceDBInstanceIdentifier: ({ copyOf, endedAt, instance }: AutomatedBackup) =>
      copyOf === undefined && endedAt === undefined && instance.identifier === wanted,
    SourceDbiResourceId: ({ copyOf, instance }: AutomatedBackup) =>
      copyOf === undefined && instance.resourceId === wanted,
  }[name];
  const found = ofRegion(rds, region).find(matches);
  if (found !== undefined) return found;
  if (name === "SourceDBInstanceIdentifier")
    throw new AwsError("DBInstanceNotFound", `DBInstance ${wanted} with automated backups not found in ${region}.`);
  throw notFound(`${wanted} of ${region}`);
}

/** ISO 8601, or the newest there is. */
export function momentOfRestore(call: Asked, rds: Place): string {
  const [time, latest] = [call.parameters.get("RestoreTime"), isTrue(call.parameters.get("UseLatestRestorableTime"))];
  if ((time === undefined) !== latest)
    throw new AwsError("InvalidParameterCombination", "give either RestoreTime or UseLatestRestorableTime");
  const backup = sourceOfRestore(call, rds);
  if (time === undefined) return "latest";
  const [moment, window] = [new Date(time), restoreWindow(rds, backup)];
  if (!(window && moment >= window.earliest && moment <= window.latest)) {
    const what = window && `${window.earliest.toISOString()} to ${window.latest.toISOString()}`;
    throw new AwsError(
      "InvalidParameterValue",
      `cannot restore to ${time}: ${what ? `the restore window is ${what}` : "there is no restore window yet"}`,
    );
  }
  return moment.toISOString();
}
