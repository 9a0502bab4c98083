import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { Alarms } from "./components/monitoring/alarms";
import { awsProvider } from "./components/stack/accountAccess";
import { AdminToken } from "./components/controlPlane/adminToken";
import { BackupBucket } from "./components/backup/backupBucket";
import { daysOfMonths } from "./components/backup/backupRules";
import { Certificates } from "./components/pooling/certificates";
import { kubeconfig } from "./components/stack/clusterAccess";
import { lookUpCluster, primaryBlocks, replicaBlocks } from "./components/network/clusterNetwork";
import { poolsFor, roleConnections } from "./components/pooling/connectionBudget";
import { Connections } from "./components/connections/connections";
import { ControlPlane, controlPlanePort, controlPlaneService } from "./components/controlPlane/controlPlane";
import { Database } from "./components/database/database";
import { databaseCa } from "./components/connections/databaseCa";
import { decideOnce } from "./components/stack/decidedOnce";
import { checkKeys } from "./components/aws/givenKeys";
import { unpinnedImages } from "./components/stack/imagePins";
import { ControlPlaneIngress } from "./components/controlPlane/ingress";
import { ingressSources } from "./components/controlPlane/ingressRules";
import { capacityOf } from "./components/aws/instanceClass";
import { Migrations } from "./components/programs/migrations";
import { Dashboard } from "./components/monitoring/dashboard";
import { Monitor } from "./components/monitoring/monitor";
import { bundleMigrations, bundleOps } from "./components/programs/opsBundle";
import { Reboots } from "./components/programs/reboots";
import { Pgbouncer, pgbouncerNames, pgbouncerPods } from "./components/pooling/pgbouncer";
import { pgbouncerPort } from "./components/pooling/pgbouncerConfig";
import type { Primary } from "./components/database/primary";
import { lookUpReplicaPlace } from "./components/network/replicaPlace";
import { scheduleAll } from "./components/programs/scheduled";
import type { SecretKey } from "./components/pods/secretKey";
import { logRetentionOf } from "./components/database/serverLogs";
import { Tenancy } from "./components/pods/tenancy";
import { readSettings } from "./settings";

/** The whole deployment, from the primary to the control plane on top of it; what it returns are the stack's outputs. */
async function program() {
  const settings = readSettings();
  const { environment, account, regions, kmsKeyArns, database, replica: standby, backup, namespace, ops } = settings;
  const name = `authensor-${environment}`;
  const tags = { ...settings.tags, "authensor:environment": environment };
  // Without a replica nothing of its region is looked up, made or trusted.
  const replicaRegion = standby.wanted ? regions.replica : undefined;
  if (database.deletionProtection) for (const warning of unpinnedImages(settings)) await pulumi.log.warn(warning);
  // First of all: what is wrong with a file is said before anything is made.
  const trustedCa = databaseCa([regions.primary, ...(replicaRegion ? [replicaRegion] : [])], database.caFile);

  const cloud = awsProvider(regions.primary, account);
  const lookUp = { provider: cloud };
  const cluster = await lookUpCluster(
    { name: settings.eksClusterName, region: regions.primary, subnetIds: database.subnetIds },
    lookUp,
  );
  const ingress = settings.ingress && { ...settings.ingress, from: ingressSources(settings.ingress.from, cluster) };
  const replicaPlace =
    replicaRegion === undefined ? undefined : await lookUpReplicaPlace(replicaRegion, standby, lookUp);
  await checkKeys(kmsKeyArns, lookUp);
  await decideOnce({
    environment,
    primaryRegion: regions.primary,
    backupRegion: regions.backup,
    postgresVersion: database.postgresVersion,
    primaryKmsKeyArn: kmsKeyArns.primary ?? "",
    vpcId: cluster.vpcId,
    createNamespace: settings.createNamespace,
  });
  const kubernetes = new k8s.Provider("kubernetes", {
    kubeconfig: kubeconfig(cluster, account.deployRoleArn),
    // EKS renews a cluster's authority. Without an identifier another kubeconfig is another cluster: all objects would be made anew.
    clusterIdentifier: cluster.arn,
  });
  const onAws = { providers: { aws: cloud } };
  const onKubernetes = { providers: { kubernetes } };
  const onBoth = { providers: { aws: cloud, kubernetes } };

  const { network, secrets, primary, replica } = new Database(
    name,
    {
      ...database,
      ...account,
      regions,
      kmsKeyArns,
      cluster,
      replica: replicaPlace && { place: replicaPlace, instanceClass: standby.instanceClass },
      copyRetentionDays: backup.copies ? backup.copyRetentionDays : undefined,
      logRetentionDays: database.logRetentionDays ?? logRetentionOf(backup.receiptRetentionMonths),
      tags,
    },
    onAws,
  );
  const backups = new BackupBucket(
    `${name}-backups`,
    {
      ...backup,
      region: regions.backup,
      kmsKeyArn: kmsKeyArns.backup,
      retentionDays: daysOfMonths(backup.receiptRetentionMonths),
      deletionProtection: database.deletionProtection,
      keepAfterDestroy: database.keepAfterDestroy,
      tags,
    },
    onAws,
  );

  const tenancy = new Tenancy(
    name,
    { namespace, createNamespace: settings.createNamespace, podReadinessGates: ingress?.class === "alb" },
    onKubernetes,
  );
  const inNamespace = { ...onKubernetes, dependsOn: [tenancy] };
  const dnsNames = pgbouncerNames(namespace);
  const [pgbouncerHost] = dnsNames;
  const onPrimary = { host: primary.address, port: primary.port, blocks: primaryBlocks(cluster) };
  const certificates = new Certificates(`${name}-pgbouncer`, { dnsNames });
  const connections = new Connections(
    name,
    {
      namespace,
      primary: onPrimary,
      replica: replica && {
        host: replica.address,
        port: replica.port,
        blocks: replicaBlocks(cluster, replicaPlace),
      },
      ownerOnReplica: database.rebootForParameters,
      pgbouncerHost,
      credentials: secrets.credentials.current,
      databaseCa: trustedCa,
      pgbouncerCa: certificates.caPem,
    },
    inNamespace,
  );
  const { urls, trustSecret } = connections;
  const bundle = (program: string) => bundleOps(`ops/${program}.ts`, __dirname);
  const opsProgram = { namespace, ...ops, trustSecret };
  const identity = { ...account, region: regions.primary, eksClusterName: cluster.name, tags };

  const connectionLimits = {
    ...database,
    pgbouncerPods: settings.pgbouncer.pods,
    maxClients: settings.pgbouncer.maxClients,
    controlPlaneMaxPods: settings.controlPlane.maxPods,
  };
  const reboots =
    database.rebootForParameters &&
    new Reboots(
      `${name}-reboot`,
      {
        ...opsProgram,
        ...identity,
        bundle: bundle("reboot"),
        postgresVersion: database.postgresVersion,
        primary: { server: primary, connection: urls.owner },
        replica: replica && urls.ownerReplica && { server: replica, connection: urls.ownerReplica },
      },
      { ...onBoth, dependsOn: [tenancy, primary, ...(replica ? [replica] : [])] },
    );
  const migrations = new Migrations(
    `${name}-migrate`,
    {
      ...opsProgram,
      database: urls.owner,
      bundle: bundle("migrate"),
      migrations: bundleMigrations(`${__dirname}/sql`),
      credentials: secrets.credentials,
      expectations: {
        parameters: primary.expectedSettings,
        monthsAhead: settings.partitions.monthsAhead,
        connections: roleConnections(connectionLimits),
      },
      parameterWaitMinutes: database.parameterWaitMinutes,
    },
    { ...onKubernetes, dependsOn: [tenancy, ...(reboots ? [reboots] : [])] },
  );
  const scheduled = scheduleAll(
    name,
    {
      ...opsProgram,
      ...identity,
      bundle,
      schedules: settings.schedules,
      connections: urls,
      inputs: {
        environment,
        monthsAhead: settings.partitions.monthsAhead,
        backups: { ...backups, keyArn: backups.key.arn },
        archiveKnownFlaws: backup.archiveKnownFlaws,
      },
    },
    { ...onBoth, dependsOn: [tenancy, migrations] },
  );
  const pgbouncer = new Pgbouncer(
    `${name}-pgbouncer`,
    {
      namespace,
      ...settings.pgbouncer,
      pools: poolsFor(connectionLimits),
      database: onPrimary,
      credentials: secrets.credentials,
      certificate: certificates,
      trustSecret,
    },
    { ...onKubernetes, dependsOn: [tenancy, migrations] },
  );
  const adminToken = new AdminToken(`${name}-admin-token`, { namespace }, inNamespace);
  const controlPlane = new ControlPlane(
    `${name}-control-plane`,
    {
      namespace,
      sharedNamespace: !settings.createNamespace,
      behindIngress: ingress !== undefined,
      ...settings.controlPlane,
      databaseUrl: urls.controlPlaneDatabase,
      adminToken: adminToken.secret,
      trustSecret,
      guard: bundle("guard"),
    },
    { ...onKubernetes, dependsOn: [tenancy, migrations, pgbouncer] },
  );

  const controlPlaneUrl = `http://${controlPlaneService}.${namespace}.svc.cluster.local:${controlPlanePort}`;
  const monitor = new Monitor(
    `${name}-monitor`,
    {
      ...opsProgram,
      ...identity,
      environment,
      bundle: bundle("monitor"),
      database: urls.monitor,
      pool: urls.monitorPool,
      replica: urls.monitorReplica,
      poolers: pgbouncerPods(namespace),
      ...settings.monitor,
      controlPlaneUrl,
    },
    { ...onBoth, dependsOn: [tenancy, migrations, pgbouncer] },
  );

  const watched = (instance: pulumi.Input<string>, region: string, instanceClass: string) => {
    return { identifier: instance, region, capacity: capacityOf(instanceClass), storageGib: database.storageGib };
  };
  const servers = {
    primary: watched(primary.identifier, regions.primary, database.instanceClass),
    replica: replica && replicaRegion ? watched(replica.identifier, replicaRegion, standby.instanceClass) : undefined,
  };
  const alarms = new Alarms(
    name,
    {
      ...settings.alarms,
      ...servers,
      environment,
      monthsAhead: settings.partitions.monthsAhead,
      kmsKeyArns,
      tags,
    },
    // What is measured first: an alarm without data would be one for want of it.
    { ...onAws, dependsOn: [monitor] },
  );
  const dashboard = new Dashboard(
    `${name}-dashboard`,
    { ...servers, environment, rows: alarms.rows, arns: alarms.arns },
    onAws,
  );

  if (ingress) {
    new ControlPlaneIngress(
      `${name}-ingress`,
      { namespace, ...ingress, tls: ingress },
      { ...onKubernetes, dependsOn: [tenancy, controlPlane] },
    );
  }

  type Server = Pick<Primary, "identifier" | "address" | "port" | "arn">;
  const server = ({ identifier, address: host, port, arn }: Server) => ({ identifier, host, port, arn });
  const secretOf = ({ name, key }: SecretKey) => ({ namespace, name, key });
  return {
    environment,
    regions: { ...regions, replica: replicaRegion },
    namespace,
    primary: server(primary),
    /** Who may reach it: security groups, or blocks of addresses. */
    primaryAdmits: network.primaryAdmits,
    ...(replica && { replica: server(replica) }),
    backupBucket: { name: backups.bucketName, region: backups.region },
    pgbouncer: {
      host: pgbouncerHost,
      port: pgbouncerPort,
      service: pgbouncer.service.metadata.name,
      /** Deploy before: only a deployment makes a new certificate. */
      certificateValidUntil: certificates.validUntil,
    },
    controlPlane: {
      url: controlPlaneUrl,
      service: controlPlane.service.metadata.name,
      /** For agents outside the cluster. */
      ...(ingress && { ingressUrl: `https://${ingress.host}` }),
    },
    monitor: monitor.deployment.metadata.name,
    /** Names of the alarms that say whether any of a severity is in ALARM; each alarm's runbook is docs/runbooks/<name>.md. */
    alarms: alarms.composites,
    dashboard: { name: dashboard.dashboardName, url: dashboard.url },
    cronJobs: scheduled.map(({ cronJob }) => cronJob.metadata.name),
    /** Where in Kubernetes each URL of the database is kept; never the URL. */
    connectionSecrets: Object.fromEntries(
      Object.entries(urls).map(([connection, secret]) => [connection, secretOf(secret)]),
    ),
    adminTokenSecret: secretOf(adminToken.secret),
  };
}

export = program;
