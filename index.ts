import * as pulumi from "@pulumi/pulumi";
import { awsProvider } from "./components/stack/accountAccess";
import { acknowledgements } from "./components/programs/acknowledgements";
import { AdminToken } from "./components/controlPlane/adminToken";
import { BackupBucket } from "./components/backup/backupBucket";
import { daysOfMonths } from "./components/backup/backupRules";
import { Certificates } from "./components/pooling/certificates";
import { kubernetesProvider } from "./components/stack/clusterAccess";
import { lookUpCluster } from "./components/network/clusterNetwork";
import { poolsFor, roleConnections } from "./components/pooling/connectionBudget";
import { Connections } from "./components/connections/connections";
import { ControlPlane, controlPlaneUrl } from "./components/controlPlane/controlPlane";
import { Database } from "./components/database/database";
import { databaseCa } from "./components/connections/databaseCa";
import { decideOnce } from "./components/stack/decidedOnce";
import { checkKeys } from "./components/aws/givenKeys";
import { unpinnedImages } from "./components/stack/imagePins";
import { ControlPlaneIngress } from "./components/controlPlane/ingress";
import { ingressSources } from "./components/controlPlane/ingressRules";
import { Migrations } from "./components/programs/migrations";
import { Monitoring } from "./components/monitoring/monitoring";
import { bundleMigrations, bundleOps } from "./components/programs/opsBundle";
import { Reboots } from "./components/programs/reboots";
import { Pgbouncer, pgbouncerNames, pgbouncerPods } from "./components/pooling/pgbouncer";
import { lookUpDrillPlace, lookUpReplicaPlace } from "./components/network/serverPlace";
import { untold } from "./components/monitoring/untold";
import { scheduleAll } from "./components/programs/scheduled";
import { scheduledSources } from "./components/programs/scheduledPrograms";
import { logRetentionOf } from "./components/database/serverLogs";
import { StoredPasswords } from "./components/database/storedPasswords";
import { Tenancy } from "./components/pods/tenancy";
import { stackOutputs } from "./outputs";
import { readSettings } from "./settings";

/** The whole deployment, from the primary to the control plane on top of it; what it returns are the stack's outputs. */
async function program() {
  const settings = readSettings();
  const { environment, account, regions, kmsKeyArns, database, replica: standby, backup, namespace, ops } = settings;
  const drilled = settings.drill.wanted && backup.copies;
  const name = `authensor-${environment}`;
  const tags = { ...settings.tags, "authensor:environment": environment };
  // Without a replica nothing of its region is looked up, made or trusted.
  const replicaRegion = standby.wanted ? regions.replica : undefined;
  const serverRegions = [regions.primary, ...(replicaRegion ? [replicaRegion] : [])];
  const warnings = [...unpinnedImages(settings), ...untold(settings.alarms, serverRegions)];
  if (database.deletionProtection) for (const warning of warnings) await pulumi.log.warn(warning);
  // First of all: what is wrong with a file is said before anything is made.
  const trusted = [...serverRegions, ...(drilled ? [regions.backup] : [])];
  const trustedCa = databaseCa(trusted, database.caFile);
  const acknowledged = acknowledgements(settings.verification.acknowledgedFile);

  const cloud = awsProvider(regions.primary, account);
  const lookUp = { provider: cloud };
  const cluster = await lookUpCluster(
    { name: settings.eksClusterName, region: regions.primary, subnetIds: database.subnetIds },
    lookUp,
  );
  const ingress = settings.ingress && { ...settings.ingress, from: ingressSources(settings.ingress.from, cluster) };
  const replicaPlace =
    replicaRegion === undefined ? undefined : await lookUpReplicaPlace(replicaRegion, standby, lookUp);
  const drill = drilled ? await lookUpDrillPlace(regions.backup, settings.drill.cidr, lookUp) : undefined;
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
  const kubernetes = kubernetesProvider(cluster, account.deployRoleArn);
  const providers = { aws: cloud, kubernetes };

  const onRds = new Database(
    name,
    {
      ...database,
      ...account,
      regions,
      kmsKeyArns,
      cluster,
      replica: replicaPlace && { place: replicaPlace, instanceClass: standby.instanceClass },
      drill,
      copyRetentionDays: backup.copies ? backup.copyRetentionDays : undefined,
      logRetentionDays: database.logRetentionDays ?? logRetentionOf(backup.receiptRetentionMonths),
      tags,
    },
    { providers },
  );
  const { secrets, primary, replica, endpoints } = onRds;
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
    { providers },
  );

  const tenancy = new Tenancy(
    name,
    { namespace, createNamespace: settings.createNamespace, podReadinessGates: ingress?.class === "alb" },
    { providers },
  );
  const inNamespace = { providers, dependsOn: [tenancy] };
  const certificates = new Certificates(`${name}-pgbouncer`, { dnsNames: pgbouncerNames(namespace) });
  const { urls, trustSecret } = new Connections(
    name,
    {
      namespace,
      ...endpoints,
      ownerOnReplica: database.rebootForParameters,
      pgbouncerHost: pgbouncerNames(namespace)[0],
      credentials: secrets.credentials.current,
      databaseCa: trustedCa,
      pgbouncerCa: certificates.caPem,
    },
    inNamespace,
  );
  const bundles = await bundleOps(["reboot", "migrate", "guard", "monitor", ...scheduledSources], __dirname);
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
        bundle: bundles.reboot,
        postgresVersion: database.postgresVersion,
        primary: { server: primary, connection: urls.owner },
        replica: replica && urls.ownerReplica && { server: replica, connection: urls.ownerReplica },
      },
      { providers, dependsOn: [tenancy, primary, ...(replica ? [replica] : [])] },
    );
  const migrations = new Migrations(
    `${name}-migrate`,
    {
      ...opsProgram,
      database: urls.owner,
      bundle: bundles.migrate,
      migrations: bundleMigrations(`${__dirname}/sql`),
      credentials: secrets.credentials,
      expectations: {
        parameters: primary.expectedSettings,
        monthsAhead: settings.partitions.monthsAhead,
        connections: roleConnections(connectionLimits),
      },
      parameterWaitMinutes: database.parameterWaitMinutes,
    },
    { providers, dependsOn: [tenancy, ...(reboots ? [reboots] : [])] },
  );
  new StoredPasswords(
    `${name}-roles`,
    { region: regions.primary, secrets, inForce: { owner: primary, others: migrations } },
    { providers },
  );
  const scheduled = scheduleAll(
    name,
    {
      ...opsProgram,
      ...identity,
      bundles,
      schedules: settings.schedules,
      acknowledgements: acknowledged,
      connections: urls,
      inputs: {
        environment,
        monthsAhead: settings.partitions.monthsAhead,
        backups: { ...backups, keyArn: backups.key.arn },
        archiveKnownFlaws: backup.archiveKnownFlaws,
        drill: onRds.drillTarget,
      },
    },
    { providers, dependsOn: [tenancy, migrations] },
  );
  const pgbouncer = new Pgbouncer(
    `${name}-pgbouncer`,
    {
      namespace,
      ...settings.pgbouncer,
      pools: poolsFor(connectionLimits),
      database: endpoints.primary,
      credentials: secrets.credentials,
      certificate: certificates,
      trustSecret,
    },
    { providers, dependsOn: [tenancy, migrations] },
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
      guard: bundles.guard,
    },
    { providers, dependsOn: [tenancy, migrations, pgbouncer] },
  );
  const monitoring = new Monitoring(
    name,
    {
      ...settings.alarms,
      ...opsProgram,
      ...identity,
      environment,
      bundle: bundles.monitor,
      connections: urls,
      poolers: pgbouncerPods(namespace),
      ...settings.monitor,
      controlPlaneUrl: controlPlaneUrl(namespace),
      monthsAhead: settings.partitions.monthsAhead,
      drills: drilled,
      storageGib: database.storageGib,
      primary: { server: primary, region: regions.primary, instanceClass: database.instanceClass },
      replica: replica &&
        replicaPlace && { server: replica, region: replicaPlace.region, instanceClass: standby.instanceClass },
      kmsKeyArns,
    },
    { providers, dependsOn: [tenancy, migrations, pgbouncer] },
  );

  if (ingress)
    new ControlPlaneIngress(
      `${name}-ingress`,
      { namespace, ...ingress, tls: ingress },
      { providers, dependsOn: [tenancy, controlPlane] },
    );

  return stackOutputs({
    environment,
    regions: { ...regions, replica: replicaRegion },
    namespace,
    database: onRds,
    backups,
    pgbouncer,
    certificates,
    controlPlane,
    ingress,
    monitoring,
    scheduled,
    urls,
    adminToken,
  });
}

export = program;
