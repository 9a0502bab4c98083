/** What RDS refuses about an instance, in its words, so that wrong wiring fails here as it would in production. */
import type { Properties, Resource } from "../../handler";
import { AwsError, number, parseArn, regionOf, text, texts } from "../account";
import { belowSource } from "./parameters";
import { refuseReplicas } from "./upgrade";
import {
  checkKey,
  completed,
  groupOf,
  instanceType,
  majorVersionOf,
  settingsFor,
  sourceOf,
  type Known,
  type Resources,
} from "./lookup";

const invalid = (message: string) => new AwsError("InvalidParameterValue", message);
const combination = (message: string) => new AwsError("InvalidParameterCombination", message);

/** Checks an instance's inputs; `current` is the instance that they are to change. */
export function checkInstance(given: Properties, context: Known, current?: Resource): void {
  const inputs = completed(given, current);
  const region = regionOf(inputs, context);
  checkUnsupported(inputs);
  checkShape(inputs);
  const source = sourceOf(inputs, context);
  if (source === undefined) checkPrimary(inputs, current);
  else checkReplica(inputs, source, region, context);
  // A restored instance has its backup's key, which may be of a stack that is gone.
  checkReferences({ ...inputs, kmsKeyId: given.kmsKeyId }, region, context);
  checkStorage(inputs, current);
  checkMonitoring(inputs);
  checkEnd(inputs, source !== undefined);
  if (current !== undefined) checkChange(inputs, current, source, context);
}

/** An identifier belongs to one instance of a region. */
export function checkIdentifier(identifier: string, region: string, context: Resources): void {
  if (!/^[a-z](-?[a-z0-9])*$/i.test(identifier) || identifier.length > 63) {
    throw invalid(
      `The parameter DBInstanceIdentifier is not a valid identifier: ${identifier}. Identifiers must begin with a letter; ` +
        "must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.",
    );
  }
  const taken = context
    .resources(instanceType)
    .some(({ outputs }) => outputs.identifier === identifier && outputs.region === region);
  if (taken) throw new AwsError("DBInstanceAlreadyExists", `DB instance ${identifier} already exists in ${region}`);
}

function checkUnsupported(inputs: Properties): void {
  if (inputs.s3Import !== undefined) throw new Error("s3Import: the local cloud cannot make instances from it");
}

function checkShape(inputs: Properties): void {
  const { instanceClass } = inputs;
  if (typeof instanceClass !== "string" || !/^db\.[a-z0-9-]+\.[a-z0-9-]+$/.test(instanceClass))
    throw invalid(`Invalid DB Instance class: ${String(instanceClass)}`);
  const days = number(inputs.backupRetentionPeriod) ?? 0;
  if (days < 0 || days > 35) throw invalid(`Invalid backup retention period: ${days}. Must be between 0 and 35.`);
  const exports = texts(inputs.enabledCloudwatchLogsExports);
  const unknown = exports.filter((name) => !["postgresql", "upgrade", "iam-db-auth-error"].includes(name));
  if (unknown.length > 0)
    throw combination(`You cannot use the log types '${unknown.join(", ")}' with engine version postgres.`);
}

/** The master user's password, if it is given and the service does not make it. */
export const passwordOf = (inputs: Properties): string | undefined => text(inputs.password) ?? text(inputs.passwordWo);

function checkPrimary(inputs: Properties, current: Resource | undefined): void {
  const engine = text(inputs.engine);
  if (engine !== "postgres") throw invalid(`Invalid DB engine: ${String(inputs.engine)}`);
  const username = text(inputs.username);
  if (username === undefined) throw invalid("The parameter MasterUsername must be provided and must not be blank.");
  if (
    !/^[a-zA-Z][a-zA-Z0-9_]{0,62}$/.test(username) ||
    /^(rdsadmin|rdsrepladmin|rds_superuser|admin|pg_.*)$/.test(username)
  )
    throw invalid(`MasterUsername ${username} cannot be used as it is a reserved word used by the engine`);
  const dbName = text(inputs.dbName);
  if (dbName !== undefined && !/^[a-zA-Z_][a-zA-Z0-9_]{0,62}$/.test(dbName))
    throw invalid("DBName must begin with a letter and contain only alphanumeric characters.");
  if (current === undefined || passwordOf(inputs) !== undefined) checkPassword(inputs);
}

function checkPassword(inputs: Properties): void {
  const given = ["password", "passwordWo"].filter((property) => inputs[property] !== undefined);
  const managed = inputs.manageMasterUserPassword === true;
  if (given.length + (managed ? 1 : 0) > 1)
    throw combination(`only one of password, passwordWo and manageMasterUserPassword can be given`);
  if (managed) return;
  if (inputs.passwordWo !== undefined && inputs.passwordWoVersion === undefined)
    throw combination("passwordWo needs passwordWoVersion: without it no change of the password is ever seen");
  const password = passwordOf(inputs) ?? "";
  if (password.length < 8)
    throw invalid("The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters.");
  if (password.length > 128 || !/^[!-~]*$/.test(password) || /[/"@]/.test(password)) {
    throw invalid(
      "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used, 128 at most.",
    );
  }
}

function checkReplica(inputs: Properties, source: Resource, region: string, context: Known): void {
  const own = ["username", "password", "passwordWo", "dbName", "engine", "manageMasterUserPassword"];
  const given = own.filter((property) => inputs[property] !== undefined);
  if (given.length > 0) throw combination(`a replica has its source's ${given.join(", ")}: leave them unset`);
  if ((number(source.inputs.backupRetentionPeriod) ?? 0) === 0) {
    throw new AwsError(
      "InvalidDBInstanceState",
      "Automated backups are not enabled for this database instance. To enable automated backups, use ModifyDBInstance to set the backup retention period to a non-zero value.",
    );
  }
  if (source.inputs.manageMasterUserPassword === true)
    throw combination(
      "a source whose master password is managed by RDS (manageMasterUserPassword) cannot have replicas",
    );
  const encrypted = source.inputs.storageEncrypted === true;
  if (source.outputs.region !== region && encrypted && text(inputs.kmsKeyId) === undefined)
    throw combination(`a replica in ${region} of an encrypted source elsewhere needs a kmsKeyId of ${region}`);
  if (!encrypted && text(inputs.kmsKeyId) !== undefined)
    throw combination("a replica of a source that is not encrypted cannot be encrypted");

  const below = belowSource(settingsFor(inputs, context), settingsFor(completed(source.inputs, source), context));
  if (below.length > 0) {
    throw combination(
      `the replica could not answer queries: a standby must not be smaller than its source, but has ${below.join("; ")}. ` +
        "Set them in its own parameter group.",
    );
  }
}

function checkReferences(inputs: Properties, region: string, context: Resources): void {
  groupOf(inputs, context);
  for (const property of ["kmsKeyId", "performanceInsightsKmsKeyId"]) {
    const key = text(inputs[property]);
    if (key !== undefined) checkKey(key, property, region, context);
  }
  if (text(inputs.kmsKeyId) !== undefined && inputs.storageEncrypted !== true && inputs.replicateSourceDb === undefined)
    throw combination("kmsKeyId needs storageEncrypted");
  const vpc = subnetGroupVpc(inputs, region, context);
  checkSecurityGroups(inputs, vpc, region, context);
}

function subnetGroupVpc(inputs: Properties, region: string, context: Resources): string | undefined {
  const name = text(inputs.dbSubnetGroupName);
  if (name === undefined) return undefined;
  const groups = context.resources("aws:rds/subnetGroup:SubnetGroup");
  const group = groups.find(({ outputs }) => outputs.name === name && outputs.region === region);
  if (group === undefined)
    throw new AwsError("DBSubnetGroupNotFoundFault", `DB subnet group '${name}' does not exist in ${region}.`);
  return text(group.outputs.vpcId);
}

function checkSecurityGroups(inputs: Properties, vpc: string | undefined, region: string, context: Resources): void {
  const groups = context.resources("aws:ec2/securityGroup:SecurityGroup");
  for (const id of texts(inputs.vpcSecurityGroupIds)) {
    const group = groups.find((candidate) => candidate.id === id);
    if (group === undefined || group.outputs.region !== region)
      throw invalid(`Invalid security group , groupId= ${id}, groupName=. It does not exist in ${region}.`);
    const groupVpc = text(group.inputs.vpcId);
    if (vpc !== undefined && groupVpc !== undefined && groupVpc !== vpc) {
      throw new AwsError(
        "InvalidVPCNetworkStateFault",
        `The DB instance and EC2 security group are in different VPCs. The DB instance is in ${vpc} and the EC2 security group is in ${groupVpc}`,
      );
    }
  }
}

function checkStorage(inputs: Properties, current: Resource | undefined): void {
  const allocated = number(inputs.allocatedStorage);
  if (allocated === undefined && inputs.replicateSourceDb === undefined && current === undefined)
    throw invalid("Invalid storage size: allocatedStorage is missing");
  if (allocated === undefined) return;
  if (allocated < 20) throw invalid(`Invalid storage size for engine name postgres and storage type gp3: ${allocated}`);
  const before = number(current?.inputs.allocatedStorage);
  if (before !== undefined && allocated < before)
    throw invalid(
      `Invalid storage size: ${allocated} is less than the ${before} that are allocated; storage cannot shrink`,
    );
  const most = number(inputs.maxAllocatedStorage);
  if (most !== undefined && most !== 0 && most <= allocated)
    throw combination("Max storage size must be greater than storage size");
  const speed = ["iops", "storageThroughput"].filter((property) => inputs[property] !== undefined);
  if (inputs.storageType === "gp3" && speed.length > 0 && allocated < 400) {
    throw combination(
      `You can't specify IOPS or storage throughput for engine postgres and a storage size less than 400 (${speed.join(", ")}).`,
    );
  }
}

function checkMonitoring(inputs: Properties): void {
  const interval = number(inputs.monitoringInterval) ?? 0;
  if (![0, 1, 5, 10, 15, 30, 60].includes(interval))
    throw invalid(`Invalid monitoring interval: ${interval}: one of 0, 1, 5, 10, 15, 30, 60`);
  if (interval > 0 && text(inputs.monitoringRoleArn) === undefined)
    throw combination("A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0.");
  if (inputs.performanceInsightsEnabled !== true) {
    if (inputs.performanceInsightsRetentionPeriod !== undefined || inputs.databaseInsightsMode === "advanced")
      throw combination(
        "performanceInsightsEnabled must be true for a retention period, and for advanced Database Insights",
      );
    return;
  }
  const days = number(inputs.performanceInsightsRetentionPeriod) ?? 7;
  if (days !== 7 && days !== 731 && (days % 31 !== 0 || days < 31 || days > 23 * 31))
    throw invalid(`Invalid Performance Insights retention period: ${days}: 7, 731 or a multiple of 31`);
  if (inputs.databaseInsightsMode === "advanced" && days < 465)
    throw combination("advanced Database Insights need performanceInsightsRetentionPeriod of 465 days at least");
}

/** RDS only says so when the instance is to be deleted, when it is too late to think about it. */
function checkEnd(inputs: Properties, isReplica: boolean): void {
  const snapshot = text(inputs.finalSnapshotIdentifier);
  if (inputs.skipFinalSnapshot === true) return;
  if (isReplica)
    throw combination("a replica cannot have a final snapshot and could never be deleted: set skipFinalSnapshot");
  if (snapshot === undefined)
    throw combination("finalSnapshotIdentifier is required when skipFinalSnapshot is false: it could never be deleted");
  if (!/^[a-z](-?[a-z0-9])*$/i.test(snapshot) || snapshot.length > 255)
    throw invalid(`finalSnapshotIdentifier ${snapshot} is not a valid identifier`);
}

function checkChange(inputs: Properties, current: Resource, source: Resource | undefined, context: Known): void {
  for (const property of ["username", "dbName", "engine"]) {
    const [before, after] = [text(current.outputs[property]), text(inputs[property])];
    if (source === undefined && after !== undefined && after !== before)
      throw combination(`${property} cannot be changed from ${before} to ${after}: make a new instance`);
  }
  const before = text(current.inputs.replicateSourceDb);
  if (source !== undefined && before === undefined)
    throw combination("cannot elect new source database for replication: an instance cannot become a replica");
  if (source !== undefined && before !== undefined && identity(before) !== identity(String(inputs.replicateSourceDb)))
    throw combination("cannot elect new source database for replication: a replica keeps the source it was made from");
  const from = majorVersionOf({ engineVersion: current.outputs.engineVersion }, context);
  const to = majorVersionOf(inputs, context);
  if (to < from) throw combination(`Cannot upgrade postgres from ${from} to ${to}: it is a downgrade`);
  if (from !== to && source === undefined && inputs.allowMajorVersionUpgrade !== true)
    throw combination("The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.");
  if (from !== to && source === undefined) refuseReplicas(current, to, context);
}

/** The same instance, whether by ARN or by identifier. */
const identity = (source: string): string => parseArn(source)?.resource.replace(/^db:/, "") ?? source;
