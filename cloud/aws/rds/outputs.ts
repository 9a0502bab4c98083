/** What RDS tells of an instance once it is there. */
import type { Context, Properties, Resource } from "../../handler";
import { allTags, arn, hex, number, regionOf, text } from "../account";
import { backupId } from "./backups/automated";

export interface Facts {
  identifier: string;
  port: number;
  /** Of the server that really runs: "15.14". */
  version: string;
  source: Resource | undefined;
}

const defaults = {
  autoMinorVersionUpgrade: true,
  availabilityZone: "",
  backupRetentionPeriod: 0,
  backupTarget: "region",
  caCertIdentifier: "rds-ca-rsa2048-g1",
  copyTagsToSnapshot: false,
  deletionProtection: false,
  engine: "postgres",
  engineLifecycleSupport: "open-source-rds-extended-support",
  licenseModel: "postgresql-license",
  listenerEndpoints: [],
  masterUserSecrets: [],
  monitoringInterval: 0,
  multiAz: false,
  networkType: "IPV4",
  performanceInsightsEnabled: false,
  publiclyAccessible: false,
  replicas: [],
  storageEncrypted: false,
  storageType: "gp2",
};

export function outputsOf(inputs: Properties, facts: Facts, context: Context): Properties {
  const region = regionOf(inputs, context);
  const { identifier, port, version, source } = facts;
  const resourceId = `db-${hex(context.physicalName, 26).toUpperCase()}`;
  const inherited = source && {
    username: source.outputs.username,
    dbName: source.outputs.dbName,
    engineVersion: source.outputs.engineVersion,
    storageEncrypted: source.outputs.storageEncrypted,
    allocatedStorage: number(inputs.allocatedStorage) ?? source.outputs.allocatedStorage,
  };
  // A write-only password is in no state and no output, as the provider has it.
  const { passwordWo: _, ...given } = inputs;
  return {
    ...defaults,
    engineVersion: version,
    availabilityZone: `${region}a`,
    ...given,
    ...inherited,
    identifier,
    resourceId,
    region,
    arn: arn("rds", region, `db:${identifier}`),
    address: "localhost",
    port,
    endpoint: `localhost:${port}`,
    hostedZoneId: `Z${hex(region, 13).toUpperCase()}`,
    engineVersionActual: version,
    latestRestorableTime: new Date().toISOString(),
    parameterGroupName: text(inputs.parameterGroupName) ?? `default.postgres${/^\d+/.exec(version)?.[0]}`,
    status: "available",
    tagsAll: allTags(inputs, context),
    // Not of RDS: where the server is, for replicas of it on this machine.
    localDirectory: context.directory,
    localBackupId: backupId(context.physicalName),
  };
}
