/**
 * Several environments in one account, beside one cluster: each with a database, a bucket and a namespace of its own. Names begin with the
 * environment's, and each replica's VPC has addresses of its own, since the cluster's route tables lead to all of them.
 */
import * as pulumi from "@pulumi/pulumi";
import * as audit from "authensor-database-components";

const regions = { primary: "eu-central-1", replica: "eu-west-1", backup: "eu-north-1" };

interface Environment {
  /** IPv4 block of the replica's VPC, which no other VPC uses. */
  cidr: string;
  database: Partial<audit.DatabaseArgs>;
  backups: Partial<audit.BackupBucketArgs>;
}

/** What a trial does without. */
const soonGone = { deletionProtection: false, keepAfterDestroy: false };
const environments: Record<string, Environment> = {
  // Nobody can delete what COMPLIANCE locks before `lockDays` are over.
  live: { cidr: "10.90.0.0/20", database: { copyRetentionDays: 7 }, backups: { lockMode: "COMPLIANCE" } },
  trial: { cidr: "10.92.0.0/20", database: { ...soonGone, multiAz: false }, backups: soonGone },
};

async function program() {
  const aws = audit.awsProvider(regions.primary, {});
  const clusterName = new pulumi.Config().require("cluster");
  const cluster = await audit.lookUpCluster({ name: clusterName, region: regions.primary }, { provider: aws });
  const providers = { aws, kubernetes: audit.kubernetesProvider(cluster) };

  const made = Object.entries(environments).map(async ([environment, own]) => {
    const name = `audit-${environment}`;
    const namespace = name;
    const place = await audit.lookUpReplicaPlace(regions.replica, { cidr: own.cidr }, { provider: aws });
    const database = new audit.Database(
      name,
      {
        ...{ regions, cluster, instanceClass: "db.r7g.large" },
        replica: { place, instanceClass: "db.r7g.large" },
        ...own.database,
      },
      { providers },
    );
    const backups = new audit.BackupBucket(
      `${name}-backups`,
      { region: regions.backup, ...own.backups },
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
    const inCluster = {
      ...{ namespace, trustSecret, connections: urls, bundles: audit.programs() },
      ...{ region: regions.primary, eksClusterName: clusterName },
    };
    const schema = new audit.Schema(
      name,
      {
        ...inCluster,
        servers: database,
        migrations: audit.migrations(),
        expectations: { programs: audit.timedProgramsOf({}) },
      },
      { providers, dependsOn: tenancy },
    );
    audit.scheduleAll(
      name,
      { ...inCluster, inputs: { environment: name, backups, migrations: schema.migrations } },
      { providers, dependsOn: [tenancy, schema] },
    );
    return [environment, { host: database.primary.address, bucket: backups.bucketName }] as const;
  });
  return Object.fromEntries(await Promise.all(made));
}

export = program;
