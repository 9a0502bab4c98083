/** What an instance is made from, where it is restored: `restoreToPointInTime`, asked as RDS' API is asked. */
import { dirname } from "node:path";
import type { Context, Properties } from "../../handler";
import { AwsError, regionOf, text } from "../account";
import { momentOfRestore, sourceOfRestore } from "./api/automatedBackups";
import { rdsRoot } from "./api/service";
import type { AutomatedBackup } from "./backups/automated";
import { majorVersionOf } from "./lookup";

export interface RestoredFrom {
  backup: AutomatedBackup;
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
  const given = inputs.restoreToPointInTime as Record<string, string | boolean | undefined> | undefined;
  if (given === undefined) return undefined;
  const parameters = new Map(
    Object.entries(parameterOf).flatMap(([property, parameter]) => {
      const value = given[property];
      return value === undefined ? [] : [[parameter, String(value)] as const];
    }),
  );
  const asked = { region: regionOf(inputs, context), parameters };
  const rds = { directory: rdsRoot(dirname(context.directory)) };
  const moment = momentOfRestore(asked, rds);
  return { backup: sourceOfRestore(asked, rds), moment: moment === "latest" ? moment : new Date(moment) };
}

/** What RDS refuses, and what it lets pass and the provider then takes for a change that replaces the instance. */
export function checkRestore(inputs: Properties, { backup }: RestoredFrom, context: Context): void {
  const { id, instance } = backup;
  const major = majorVersionOf(inputs, context);
  const of = Number(/^\d+/.exec(instance.engineVersion)?.[0]);
  if (of !== major)
    throw new AwsError(
      "InvalidParameterCombination",
      `${id} is a backup of PostgreSQL ${of}, and the instance's parameter group is of postgres${major}`,
    );
  const own: Record<string, string | undefined> = { username: instance.username, kmsKeyId: undefined };
  for (const [property, value] of Object.entries(own))
    if (text(inputs[property]) !== undefined && text(inputs[property]) !== value)
      throw new AwsError(
        "InvalidParameterCombination",
        `${property}: a restored instance keeps ${value ?? "that of its backup"}`,
      );
}
