import * as aws from "@pulumi/aws";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { AdminToken } from "./components/adminToken";
import { BackupBucket } from "./components/backupBucket";
import { BackupReplication } from "./components/backupReplication";
import { Certificates } from "./components/certificates";
import { kubeconfig } from "./components/clusterAccess";
import { lookUpCluster, primaryBlocks } from "./components/clusterNetwork";
import { poolsFor } from "./components/connectionBudget";
import { Connections } from "./components/connections";
import { ControlPlane, controlPlanePort, controlPlaneService } from "./components/controlPlane";
import { databaseCa } from "./components/databaseCa";
import { DatabaseSecrets } from "./components/databaseSecrets";
import { unpinnedImages } from "./components/imagePins";
import { ControlPlaneIngress } from "./components/ingress";
import { ingressSources } from "./components/ingressRules";
import { Migrations } from "./components/migrations";
import { Network } from "./components/network";
import { bundleMigrations, bundleOps } from "./components/opsBundle";
import { Pgbouncer, pgbouncerService } from "./components/pgbouncer";
import { pgbouncerPort } from "./components/pgbouncerConfig";
import { Primary } from "./components/primary";
import { Replica } from "./components/replica";
import { lookUpReplicaPlace } from "./components/replicaPlace";
import { Scheduled } from "./components/scheduled";
import { scheduledNames, type ScheduledProgram, scheduledPrograms } from "./components/scheduledPrograms";
import { logRetentionOf } from "./components/serverLogs";
import { Tenancy } from "./components/tenancy";
import { readSettings } from "./settings";

/** The whole deployment, from the primary to the control plane on top of it; what it returns are the stack's outputs. */
async function program() {
  const settings = readSettings();
  const { regions, kmsKeyArns, database, replica: standby, backup, pgbouncer: pooler, ops, environment } = settings;
  const name = `authensor-${environment}`;
  const tags = { ...settings.tags, "authensor:environment": environment };
  // Without a replica nothing of its region is looked up, made or trusted.
  const replicaRegion = standby.wanted ? regions.replica : undefined;
  if (database.deletionProtection) {
    const images = {
      pgbouncerImage: pooler.image,
      controlPlaneImage: settings.controlPlane.image,
      opsImage: ops.image,
    };
    for (const warning of unpinnedImages(images)) await pulumi.log.warn(warning);
  }
  // First of all: what is wrong with a file is said before anything is made.
  const trustedCa = databaseCa([regions.primary, ...(replicaRegion ? [replicaRegion] : [])], database.caFile);

  const cloud = new aws.Provider("aws", {
    region: regions.primary as aws.Region,
    ...(settings.account.id && { allowedAccountIds: [settings.account.id] }),
    ...(settings.account.deployRoleArn && { assumeRoles: [{ roleArn: settings.account.deployRoleArn }] }),
    defaultTags: { tags: { "managed-by": "pulumi", project: pulumi.getProject() } },
  });
  const lookUp = { provider: cloud };
  const cluster = await lookUpCluster(
    { name: settings.eksClusterName, region: regions.primary, subnetIds: database.subnetIds },
    lookUp,
  );
  const { ingress } = settings;
  const ingressFrom = ingress && ingressSources(ingress.from, cluster);
  const replicaPlace =
    replicaRegion === undefined ? undefined : await lookUpReplicaPlace(replicaRegion, standby, lookUp);
  const kubernetes = new k8s.Provider("kubernetes", {
    kubeconfig: kubeconfig(cluster, settings.account.deployRoleArn),
  });
  const onAws = { providers: { aws: cloud } };
  const onKubernetes = { providers: { kubernetes } };

  const network = new Network(
    name,
    {
      cluster,
      primaryRegion: regions.primary,
      replica: replicaPlace,
      clientSecurityGroupIds: database.clientSecurityGroupIds,
      tags,
    },
    onAws,
  );
  const secrets = new DatabaseSecrets(
    `${name}-roles`,
    {
      primaryRegion: regions.primary,
      replicaRegion,
      kmsKeyArn: kmsKeyArns.primary,
      replicaKmsKeyArn: kmsKeyArns.replica,
      generation: database.passwordGeneration,
      tags,
    },
    onAws,
  );
  // What the two servers are told alike.
  const server = {
    postgresVersion: database.postgresVersion,
    storageGib: database.storageGib,
    maxStorageGib: database.maxStorageGib,
    maxConnections: database.maxConnections,
    deletionProtection: database.deletionProtection,
    keepAfterDestroy: database.keepAfterDestroy,
    applyImmediately: database.applyImmediately,
    logRetentionDays: database.logRetentionDays ?? logRetentionOf(backup.receiptRetentionMonths),
    tags,
  };
  const primary = new Primary(
    `${name}-primary`,
    {
      ...server,
      region: regions.primary,
      kmsKeyArn: kmsKeyArns.primary,
      instanceClass: database.instanceClass,
      multiAz: database.multiAz,
      permissionsBoundaryArn: settings.account.permissionsBoundaryArn,
      backupRetentionDays: database.backupRetentionDays,
      vpcId: cluster.vpcId,
      engineLifecycleSupport: database.engineLifecycleSupport,
      subnetIds: network.primarySubnetIds,
      securityGroupId: network.primarySecurityGroup.id,
      ownerPassword: secrets.passwords.owner,
      passwordGeneration: secrets.generation,
    },
    onAws,
  );
  const replica =
    network.replica &&
    new Replica(
      `${name}-replica`,
      {
        ...server,
        region: network.replica.region,
        kmsKeyArn: kmsKeyArns.replica,
        sourceArn: primary.arn,
        instanceClass: standby.instanceClass,
        vpcId: network.replica.vpcId,
        subnetIds: network.replica.subnetIds,
        securityGroupId: network.replica.securityGroup.id,
        monitoringRoleArn: primary.monitoringRole.arn,
      },
      onAws,
    );
  const backups = new BackupBucket(
    `${name}-backups`,
    {
      region: regions.backup,
      kmsKeyArn: kmsKeyArns.backup,
      lockMode: backup.lockMode,
      lockDays: backup.lockDays,
      retentionDays: backup.receiptRetentionMonths * 31,
      deletionProtection: database.deletionProtection,
      tags,
    },
    onAws,
  );
  if (backup.copies) {
    new BackupReplication(
      `${name}-backup-copies`,
      {
        region: regions.backup,
        kmsKeyArn: kmsKeyArns.backup,
        sourceArn: primary.arn,
        retentionDays: backup.copyRetentionDays,
        deletionProtection: database.deletionProtection,
        keepAfterDestroy: database.keepAfterDestroy,
        tags,
      },
      { ...onAws, dependsOn: replica },
    );
  }

  const { namespace } = settings;
  const tenancy = new Tenancy(name, { namespace, createNamespace: settings.createNamespace }, onKubernetes);
  const inNamespace = { ...onKubernetes, dependsOn: [tenancy] };
  const pgbouncerHost = `${pgbouncerService}.${namespace}.svc.cluster.local`;
  const certificates = new Certificates(`${name}-pgbouncer`, {
    // Every name that Kubernetes gives the Service, and localhost: `kubectl port-forward` is verified too.
    dnsNames: [
      pgbouncerHost,
      `${pgbouncerService}.${namespace}.svc`,
      `${pgbouncerService}.${namespace}`,
      pgbouncerService,
      "localhost",
    ],
  });
  const connections = new Connections(
    name,
    {
      namespace,
      primary: { host: primary.address, port: primary.port },
      replica: replica && { host: replica.address, port: replica.port },
      pgbouncerHost,
      passwords: secrets.passwords,
      databaseCa: trustedCa,
      pgbouncerCa: certificates.caPem,
    },
    inNamespace,
  );
  const blocks = primaryBlocks(cluster);
  const owner = { url: connections.urls.owner, port: primary.port, blocks };
  const opsProgram = {
    namespace,
    image: ops.image,
    pod: ops.pod,
    database: owner,
    trustSecret: connections.trustSecret,
  };

  const migrations = new Migrations(
    `${name}-migrate`,
    {
      ...opsProgram,
      bundle: bundleOps("ops/migrate.ts", __dirname),
      migrations: bundleMigrations(`${__dirname}/sql`),
      rolePasswords: secrets.passwords,
      expectations: { parameters: primary.expectedSettings, monthsAhead: settings.partitions.monthsAhead },
      parameterWaitMinutes: database.parameterWaitMinutes,
    },
    inNamespace,
  );
  const afterMigrations = { ...onKubernetes, dependsOn: [tenancy, migrations] };
  const scheduled = scheduledNames.map((program) => {
    const { connection, deadline, env, egress }: ScheduledProgram = scheduledPrograms[program];
    return new Scheduled(
      `${name}-${program}`,
      {
        ...opsProgram,
        program,
        bundle: bundleOps(`ops/${program}.ts`, __dirname),
        schedule: settings.schedules[program],
        deadline,
        database: { ...owner, url: connections.urls[connection] },
        env: env(settings.partitions),
        egress,
      },
      afterMigrations,
    );
  });
  const pgbouncer = new Pgbouncer(
    `${name}-pgbouncer`,
    {
      namespace,
      image: pooler.image,
      pod: pooler.pod,
      pods: pooler.pods,
      maxClients: pooler.maxClients,
      pools: poolsFor({
        ...database,
        pgbouncerPods: pooler.pods,
        maxClients: pooler.maxClients,
        controlPlaneMaxPods: settings.controlPlane.maxPods,
      }),
      database: { host: primary.address, port: primary.port, blocks },
      passwords: secrets.passwords,
      certificate: certificates,
      trustSecret: connections.trustSecret,
    },
    afterMigrations,
  );
  const adminToken = new AdminToken(`${name}-admin-token`, { namespace }, inNamespace);
  const controlPlane = new ControlPlane(
    `${name}-control-plane`,
    {
      namespace,
      ...settings.controlPlane,
      databaseUrl: connections.urls.controlPlaneDatabase,
      adminToken: adminToken.secret,
      trustSecret: connections.trustSecret,
      guard: bundleOps("ops/guard.ts", __dirname),
    },
    { ...onKubernetes, dependsOn: [tenancy, migrations, pgbouncer] },
  );

  if (ingress !== undefined && ingressFrom !== undefined) {
    new ControlPlaneIngress(
      `${name}-ingress`,
      { namespace, ...ingress, tls: ingress, from: ingressFrom },
      { ...onKubernetes, dependsOn: [tenancy, controlPlane] },
    );
  }

  const secretOf = ({ name: secret, key }: { name: pulumi.Input<string>; key: string }) => ({
    namespace,
    name: secret,
    key,
  });
  return {
    environment,
    regions: { ...regions, replica: replicaRegion },
    namespace,
    primary: { identifier: primary.identifier, host: primary.address, port: primary.port, arn: primary.arn },
    /** Who may reach it: security groups, or blocks of addresses. */
    primaryAdmits: network.primaryAdmits,
    ...(replica && {
      replica: { identifier: replica.identifier, host: replica.address, port: replica.port, arn: replica.arn },
    }),
    backupBucket: { name: backups.bucketName, region: backups.region },
    pgbouncer: { host: pgbouncerHost, port: pgbouncerPort, service: pgbouncer.service.metadata.name },
    controlPlane: {
      url: `http://${controlPlaneService}.${namespace}.svc.cluster.local:${controlPlanePort}`,
      service: controlPlane.service.metadata.name,
      /** For agents outside the cluster. */
      ...(ingress && { ingressUrl: `https://${ingress.host}` }),
    },
    cronJobs: scheduled.map(({ cronJob }) => cronJob.metadata.name),
    /** Where in Kubernetes each URL of the database is kept; never the URL. */
    connectionSecrets: pulumi
      .output(connections.urls)
      .apply((urls) =>
        Object.fromEntries(Object.entries(urls).map(([connection, secret]) => [connection, secretOf(secret)])),
      ),
    adminTokenSecret: secretOf(adminToken.secret),
  };
}

export = program;
