/**
 * The database alone, for who brings a control plane of his own: a primary beside an EKS cluster, a replica in another region, backups
 * in a third one, the schema, and what keeps it in order. Whoever connects does so directly; nothing is pooled.
 */
import * as pulumi from "@pulumi/pulumi";
import * as audit from "authensor-database-components";

const name = "audit";
const namespace = "audit";
const regions = { primary: "eu-central-1", replica: "eu-west-1", backup: "eu-north-1" };

async function program() {
  const aws = audit.awsProvider(regions.primary, {});
  const clusterName = new pulumi.Config().require("cluster");
  const cluster = await audit.lookUpCluster({ name: clusterName, region: regions.primary }, { provider: aws });
  const providers = { aws, kubernetes: audit.kubernetesProvider(cluster) };

  const database = new audit.Database(
    name,
    {
      regions,
      cluster,
      instanceClass: "db.r7g.large",
      replica: {
        place: await audit.lookUpReplicaPlace(regions.replica, {}, { provider: aws }),
        instanceClass: "db.r7g.large",
      },
      copyRetentionDays: 7,
    },
    { providers },
  );
  // Nobody can delete what COMPLIANCE locks before `lockDays` are over: for a trial use GOVERNANCE, the default.
  const backups = new audit.BackupBucket(
    `${name}-backups`,
    { region: regions.backup, lockMode: "COMPLIANCE" },
    { providers },
  );

  const tenancy = new audit.Tenancy(name, { namespace }, { providers });
  const { urls, trustSecret } = new audit.Connections(
    name,
    {
      namespace,
      ...database.endpoints,
      credentials: database.secrets.credentials.current,
      databaseCa: audit.databaseCa(Object.values(regions)),
    },
    { providers, dependsOn: tenancy },
  );
  const inCluster = { namespace, trustSecret, connections: urls, bundles: audit.programs() };
  const schema = new audit.Schema(
    name,
    {
      ...inCluster,
      region: regions.primary,
      eksClusterName: clusterName,
      servers: database,
      migrations: audit.migrations(),
      expectations: { programs: audit.timedProgramsOf({}) },
    },
    { providers, dependsOn: tenancy },
  );
  audit.scheduleAll(
    name,
    {
      ...inCluster,
      region: regions.primary,
      eksClusterName: clusterName,
      inputs: { environment: name, backups, migrations: schema.migrations },
    },
    { providers, dependsOn: [tenancy, schema] },
  );

  return { host: database.primary.address, bucket: backups.bucketName, writer: urls.audit.name };
}

export = program;
