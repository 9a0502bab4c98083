/** What RDS' API does here, by operation. */
import { AwsError } from "../../account";
import { describeAutomatedBackups } from "./automatedBackups";
import type { Call, Rds } from "./call";
import { describe, instanceOf, requireAvailable } from "./instances";
import { list } from "./known";
import { deleteInstance, describeEvents, modifyInstance, restoreInstance } from "./restored";
import { serverBehind } from "./servers";
import { failOver } from "./zones";

/** Returns what the element `<operation>Result` holds. To add one, add it here. */
export const operations: Readonly<Record<string, (call: Call, rds: Rds) => object>> = {
  DescribeDBInstances: describeInstances,
  RebootDBInstance: rebootInstance,
  RestoreDBInstanceToPointInTime: restoreInstance,
  ModifyDBInstance: modifyInstance,
  DeleteDBInstance: deleteInstance,
  DescribeDBInstanceAutomatedBackups: describeAutomatedBackups,
  DescribeEvents: describeEvents,
};

function describeInstances({ region, parameters }: Call, rds: Rds): object {
  const identifier = parameters.get("DBInstanceIdentifier");
  const known = identifier === undefined ? list(rds.directory, region) : [instanceOf(rds, region, identifier)];
  return { DBInstances: { DBInstance: known.map((instance) => describe(instance, rds)) } };
}

/** Answers at once, as RDS does; the instance is `rebooting` until its server answers again. */
function rebootInstance({ region, parameters }: Call, rds: Rds): object {
  const instance = instanceOf(rds, region, parameters.get("DBInstanceIdentifier") ?? "");
  const failover = parameters.get("ForceFailover") === "true";
  if (failover && !instance.multiAz)
    throw new AwsError("InvalidParameterCombination", "ForceFailover cannot be specified for a single-AZ instance.");
  requireAvailable(instance, rds);
  rds.reboots.add(instance.arn);
  const server = serverBehind(instance, rds.signal);
  const restarted = failover ? failOver(server, rds.failoverMs) : server.stop().then(() => server.start());
  void restarted
    .catch((error: unknown) => console.error(`${server.name}: ${(error as Error).message}`))
    .finally(() => rds.reboots.delete(instance.arn));
  return { DBInstance: describe(instance, rds) };
}
