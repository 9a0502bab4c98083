/** What stands for AWS on this machine, and for the two providers that need no cloud at all. */
import type { Handler } from "../handler";
import { handlers as random } from "../random";
import { handlers as tls } from "../tls";
import { dashboard, dashboardType } from "./cloudwatch/dashboardHandler";
import { handlers as alarms } from "./cloudwatch/handlers";
import { handlers as roles } from "./iam/handlers";
import { backupReplication, replicationType } from "./rds/backups/replicationHandler";
import { instance } from "./rds/instance";
import { instanceType } from "./rds/lookup";
import { parameterGroup, parameterGroupType } from "./rds/parameterGroup";
import { subnetGroup } from "./rds/subnetGroup";
import { recordedHandlers } from "./recorded";
import { handlers as buckets } from "./s3/handlers";

export const handlers: Record<string, Handler> = {
  ...recordedHandlers,
  ...alarms,
  [dashboardType]: dashboard,
  ...buckets,
  ...roles,
  [instanceType]: instance,
  [replicationType]: backupReplication,
  [parameterGroupType]: parameterGroup,
  "aws:rds/subnetGroup:SubnetGroup": subnetGroup,
  ...random,
  ...tls,
};

export { invokes } from "./invokes";
export { recordedOutputs } from "./recorded";
