/** `./authensor lose-zone`: the primary's standby in another zone takes over, as RDS is asked to do it. */
import { DescribeDBInstancesCommand, RDSClient, RebootDBInstanceCommand } from "@aws-sdk/client-rds";
import { urlOf } from "../../cloud/aws/endpoint";
import { keysOf } from "../../cloud/aws/iam/keys";
import { rdsApi } from "../../cloud/aws/rds/api/service";
import { waitUntil } from "../../cloud/host/wait";
import type { Environment } from "../environment";
import { readOutputs } from "../outputs";

/** Returns once the instance is available again. */
export async function loseZone({ state, outputsFile }: Environment, signal: AbortSignal): Promise<void> {
  const { primary, regions } = readOutputs(outputsFile) as unknown as {
    primary: { identifier: string };
    regions: { primary: string };
  };
  const rds = new RDSClient({
    region: regions.primary,
    endpoint: urlOf(rdsApi, state.root)!,
    credentials: keysOf(state.root),
  });
  const instance = { DBInstanceIdentifier: primary.identifier };
  await rds.send(new RebootDBInstanceCommand({ ...instance, ForceFailover: true }));
  const available = async () => {
    const { DBInstances: [found] = [] } = await rds.send(new DescribeDBInstancesCommand(instance));
    return found?.DBInstanceStatus === "available";
  };
  await waitUntil(primary.identifier, available, { timeoutMs: 300_000, everyMs: 100, signal });
}
