/** What RDS' API does here, by operation. */
import { AwsError } from "../../account";
import { catalogOf, postgres } from "../binaries";
import { needsRestart } from "../parameters";
import { Server } from "../server";
import { find, list, type Known } from "./known";

export interface Call {
  region: string;
  /** "DBInstanceIdentifier", "Filters.Filter.1.Name", … */
  parameters: ReadonlyMap<string, string>;
}

/** What operations work on. */
export interface Rds {
  /** Its own directory. */
  directory: string;
  /** Instances that are being rebooted, by ARN. */
  reboots: Set<string>;
}

/** Returns what the element `<operation>Result` holds. To add one, add it here. */
export const operations: Readonly<Record<string, (call: Call, rds: Rds) => object>> = {
  DescribeDBInstances: describeInstances,
  RebootDBInstance: rebootInstance,
};

function describeInstances({ region, parameters }: Call, rds: Rds): object {
  const identifier = parameters.get("DBInstanceIdentifier");
  const known = identifier === undefined ? list(rds.directory, region) : [instanceOf(rds, region, identifier)];
  return { DBInstances: { DBInstance: known.map((instance) => describe(instance, rds)) } };
}

/** Answers at once, as RDS does; the instance is `rebooting` until its server answers again. */
function rebootInstance({ region, parameters }: Call, rds: Rds): object {
  const instance = instanceOf(rds, region, parameters.get("DBInstanceIdentifier") ?? "");
  if (parameters.get("ForceFailover") === "true" && !instance.multiAz)
    throw new AwsError("InvalidParameterCombination", "ForceFailover cannot be specified for a single-AZ instance.");
  if (statusOf(instance, rds) !== "available")
    throw new AwsError("InvalidDBInstanceState", `Instance ${instance.identifier} is not in available state.`);
  rds.reboots.add(instance.arn);
  void reboot(serverOf(instance)).finally(() => rds.reboots.delete(instance.arn));
  return { DBInstance: describe(instance, rds) };
}

async function reboot(server: Server): Promise<void> {
  try {
    await server.stop();
    await server.start();
  } catch (error) {
    console.error(`${server.name}: ${(error as Error).message}`);
  }
}

function instanceOf(rds: Rds, region: string, identifier: string): Known {
  const found = find(rds.directory, region, identifier);
  if (found === undefined) throw new AwsError("DBInstanceNotFound", `DBInstance ${identifier} not found.`);
  return found;
}

/** As the user that runs this: the servers' own. */
const serverOf = ({ identifier, directory, major }: Known) =>
  new Server(identifier, directory, postgres(major), undefined, new AbortController().signal);

const statusOf = (instance: Known, { reboots }: Rds): string =>
  reboots.has(instance.arn) ? "rebooting" : serverOf(instance).alive ? "available" : "stopped";

function describe(instance: Known, rds: Rds): object {
  const server = serverOf(instance);
  const waits = server.outstanding.some((name) => needsRestart(name, catalogOf(server.binaries)));
  return {
    DBInstanceIdentifier: instance.identifier,
    DBInstanceArn: instance.arn,
    DBInstanceClass: instance.instanceClass,
    DBInstanceStatus: statusOf(instance, rds),
    Engine: "postgres",
    EngineVersion: instance.engineVersion,
    MultiAZ: instance.multiAz,
    Endpoint: { Address: "localhost", Port: instance.port },
    DBParameterGroups: {
      DBParameterGroup: {
        DBParameterGroupName: instance.parameterGroup,
        ParameterApplyStatus: waits ? "pending-reboot" : "in-sync",
      },
    },
  };
}
