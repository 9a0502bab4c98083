/** aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication: copies of an instance's backups in another region. */
import { dirname } from "node:path";
import type { Context, Handler, Properties } from "../../../handler";
import { AwsError, number, regionOf, text } from "../../account";
import { rdsRoot } from "../api/service";
import { recordedOutputs } from "../../recorded";
import { checkKey, instanceType } from "../lookup";
import { announceBackup, backupId, endBackup, findBackup } from "./automated";

export const replicationType = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication";

const rdsOf = (context: Context) => rdsRoot(dirname(context.directory));

function sourceOf(inputs: Properties, region: string, context: Context) {
  const wanted = text(inputs.sourceDbInstanceArn);
  const source = context.resources(instanceType).find(({ outputs }) => outputs.arn === wanted);
  if (source === undefined) throw new AwsError("DBInstanceNotFound", `DBInstance ${wanted} not found.`);
  const sourceRegion = String(source.outputs.region);
  if (sourceRegion === region)
    throw new AwsError("InvalidParameterValue", `backups of ${wanted} cannot be copied to ${region}: they are there`);
  const backup = findBackup(rdsOf(context), { region: sourceRegion, id: String(source.outputs.localBackupId) });
  if (backup === undefined)
    throw new AwsError(
      "InvalidDBInstanceState",
      `Automated backups are not enabled for ${wanted}: set backupRetentionPeriod to 1 at least`,
    );
  return backup;
}

export const backupReplication: Handler = {
  replaceOnChange: ["kmsKeyId", "region", "retentionPeriod", "sourceDbInstanceArn"],
  deleteBeforeReplace: () => true,

  // eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
  async create(inputs, context) {
    const region = regionOf(inputs, context);
    const retentionDays = number(inputs.retentionPeriod) ?? 7;
    if (retentionDays < 1 || retentionDays > 35)
      throw new AwsError("InvalidParameterValue", `Invalid backup retention period: ${retentionDays}: 1 to 35 days`);
    const key = text(inputs.kmsKeyId);
    if (key !== undefined) checkKey(key, "kmsKeyId", region, context);
    const source = sourceOf(inputs, region, context);
    const made = recordedOutputs(inputs, context);
    const id = backupId(context.physicalName);
    const copyOf = { region: source.region, id: source.id };
    const { instance } = source;
    announceBackup(rdsOf(context), { id, region, retentionDays, instance, copyOf }, context.serviceUser);
    return { ...made, outputs: { ...made.outputs, retentionPeriod: retentionDays } };
  },

  /** What was copied stays, each until its retention is over. */
  // eslint-disable-next-line @typescript-eslint/require-await
  async delete(current, context) {
    const which = { region: String(current.outputs.region), id: backupId(context.physicalName) };
    endBackup(rdsOf(context), which, context.serviceUser);
  },

  async heal(current, context) {
    const region = String(current.outputs.region);
    if (findBackup(rdsOf(context), { region, id: backupId(context.physicalName) }) !== undefined) return undefined;
    const { outputs } = await backupReplication.create(current.inputs, context);
    return { did: "copies backups again", outputs };
  },
};
