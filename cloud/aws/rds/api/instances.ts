/** What RDS' API tells of an instance, whoever made it. */
import { AwsError } from "../../account";
import { catalogOf } from "../binaries";
import { needsRestart } from "../parameters";
import { find, type Known } from "./known";
import type { Rds } from "./call";
import { serverBehind } from "./servers";

export function instanceOf(rds: Rds, region: string, identifier: string): Known {
  const found = find(rds.directory, region, identifier);
  if (found === undefined) throw new AwsError("DBInstanceNotFound", `DBInstance ${identifier} not found.`);
  return found;
}

export function statusOf(instance: Known, { reboots }: Rds): string {
  if (instance.restored && instance.restored.status !== "available") return instance.restored.status;
  if (reboots.has(instance.arn)) return "rebooting";
  return serverBehind(instance).alive ? "available" : "stopped";
}

export function requireAvailable(instance: Known, rds: Rds): void {
  if (statusOf(instance, rds) !== "available")
    throw new AwsError("InvalidDBInstanceState", `Instance ${instance.identifier} is not in available state.`);
}

export function describe(instance: Known, rds: Rds): object {
  const { restored } = instance;
  const server = serverBehind(instance);
  const waits = server.outstanding.some((name) => needsRestart(name, catalogOf(server.binaries)));
  return {
    DBInstanceIdentifier: instance.identifier,
    DBInstanceArn: instance.arn,
    DBInstanceClass: instance.instanceClass,
    DBInstanceStatus: statusOf(instance, rds),
    Engine: "postgres",
    EngineVersion: instance.engineVersion,
    MultiAZ: instance.multiAz,
    // RDS tells no address before there is a server.
    ...(restored?.status !== "creating" && { Endpoint: { Address: "localhost", Port: instance.port } }),
    ...(restored && { MasterUsername: restored.master, DeletionProtection: restored.deletionProtection }),
    TagList: { Tag: Object.entries(instance.tags).map(([Key, Value]) => ({ Key, Value })) },
    DBParameterGroups: {
      DBParameterGroup: {
        DBParameterGroupName: instance.parameterGroup,
        ParameterApplyStatus: waits ? "pending-reboot" : "in-sync",
      },
    },
  };
}
