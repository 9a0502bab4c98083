import { regionOfArn } from "./components/aws/arn";
import { BackupBucket } from "./components/backup/backupBucket";
import { daysOfMonths } from "./components/backup/backupRules";
import { bucketOfOther } from "./components/backup/otherAccount";
import { Connections } from "./components/connections/connections";
import { VerifierConnection } from "./components/connections/verifierConnection";
import { controlPlaneUrl } from "./components/controlPlane/address";
import { ControlPlane } from "./components/controlPlane/controlPlane";
import { Database } from "./components/database/database";
import { policyBlocks } from "./components/network/serverPlace";
import { logRetentionOf } from "./components/database/serverLogs";
import { Monitoring } from "./components/monitoring/monitoring";
import { Tenancy } from "./components/pods/tenancy";
import { Certificates } from "./components/pooling/certificates";
import { ControlPlaneLogins } from "./components/pooling/controlPlaneLogins";
import { limitsOf, poolsFor, roleConnections } from "./components/pooling/connectionBudget";
import { Pgbouncer, pgbouncerNames, pgbouncerPods } from "./components/pooling/pgbouncer";
import { Completeness } from "./components/programs/completeness";
import { bundleMigrations, bundleOps } from "./components/programs/opsBundle";
import { scheduleAll } from "./components/programs/scheduled";
import { timedProgramsOf } from "./components/programs/scheduledNames";
import { Schema } from "./components/programs/schema";
import { sources } from "./components/programs/sources";
import { surroundings } from "./surroundings";
import { stackOutputs } from "./outputs";
import { readSettings } from "./settings";
import { placed } from "./settings/failover";
import { fromBucket } from "./settings/restore";

/** The whole deployment, from the primary to the control plane on top of it; what it returns are the stack's outputs. */
async function program() {
  const settings = placed(readSettings());
  const {
    cluster,
    places,
    restored,
    failovers,
    promoted,
    awaitsPromotion,
    providers,
    ingress,
    databaseCa,
    acknowledged,
  } = await surroundings(settings);
  const { environment, account, regions, kmsKeyArns, backup, namespace } = settings;
  const name = `authensor-${environment}`;
  const tags = { ...settings.tags, "authensor:environment": environment };
  const monthsAhead = settings.partitions.monthsAhead;

  const lock = { mode: backup.lockMode, days: backup.lockDays };
  const backups =
    backup.bucketArn !== undefined && backup.bucketKmsKeyArn !== undefined
      ? bucketOfOther(backup.bucketArn, backup.bucketKmsKeyArn, regions.backup, lock)
      : new BackupBucket(
          `${name}-backups`,
          {
            ...backup,
            region: regions.backup,
            kmsKeyArn: kmsKeyArns.backup,
            retentionDays: daysOfMonths(backup.receiptRetentionMonths),
            deletionProtection: settings.database.deletionProtection,
            keepAfterDestroy: settings.database.keepAfterDestroy,
            tags,
          },
          { providers },
        );

  const tenancy = new Tenancy(
    name,
    { namespace, createNamespace: settings.createNamespace, podReadinessGates: ingress?.class === "alb" },
    { providers },
  );
  const opsProgram = {
    ...{ namespace, ...settings.ops },
    ...{ ...account, region: regions.primary, eksClusterName: cluster.name, tags },
  };
  const missing = promoted && {
    ...opsProgram,
    bundle: (await bundleOps(["missing"], __dirname)).missing,
    server: { ...promoted, blocks: policyBlocks(cluster, cluster.cidrBlocks) },
    databaseCa,
    backups,
    lagSeconds: settings.replica.failoverLagSeconds,
    acceptMissing: settings.replica.acceptMissing,
    promoted: settings.lostRegion === undefined,
    anew: awaitsPromotion,
  };
  const database = new Database(
    name,
    {
      ...settings.database,
      ...account,
      regions,
      kmsKeyArns,
      cluster,
      replica: places.replica && { place: places.replica, instanceClass: settings.replica.instanceClass },
      restoredFrom: restored?.from === fromBucket ? undefined : restored,
      failovers,
      beforePromotion:
        missing &&
        (({ verifier: login, network }) => {
          const inPlace = { providers, dependsOn: [tenancy, network] };
          const to = new VerifierConnection(`${name}-missing`, { ...missing, login }, inPlace);
          const { database, trustSecret } = to;
          return new Completeness(`${name}-missing`, { ...missing, database, trustSecret }, inPlace);
        }),
      drill: places.drill,
      copyRetentionDays: backup.copies ? backup.copyRetentionDays : undefined,
      logRetentionDays: settings.database.logRetentionDays ?? logRetentionOf(backup.receiptRetentionMonths),
      tags,
    },
    { providers },
  );
  const inNamespace = { providers, dependsOn: [tenancy] };
  const certificates = new Certificates(`${name}-pgbouncer`, { dnsNames: pgbouncerNames(namespace) });
  const controlPlaneLogins = new ControlPlaneLogins(`${name}-control-plane-logins`, {
    generation: settings.database.passwordGeneration,
  });
  const { urls, trustSecret } = new Connections(
    name,
    {
      namespace,
      ...database.endpoints,
      ownerOnReplica: settings.database.rebootForParameters,
      pgbouncer: {
        host: pgbouncerNames(namespace)[0],
        ca: certificates.caPem,
        controlPlane: controlPlaneLogins.current,
      },
      credentials: database.secrets.credentials.current,
      databaseCa,
    },
    inNamespace,
  );

  const bundles = await bundleOps(sources, __dirname);
  const connected = { ...opsProgram, trustSecret };
  const features = { drill: database.drillTarget, onlineMonths: backup.onlineMonths };
  const schema = new Schema(
    name,
    {
      ...settings.database,
      ...connected,
      fenced: settings.replica.fencedRegion === regions.primary,
      restored: restored && {
        bundles: await bundleOps(["adopt", "restore"], __dirname),
        from: restored,
        fromBucket: restored.from === fromBucket,
        source: bucketOfOther(
          restored.bucketArn,
          restored.bucketKmsKeyArn,
          regionOfArn(restored.bucketKmsKeyArn),
          lock,
        ),
        acknowledgements: acknowledged,
        knownFlaws: backup.archiveKnownFlaws,
      },
      servers: database,
      connections: urls,
      bundles,
      migrations: bundleMigrations(`${__dirname}/sql`),
      expectations: {
        monthsAhead,
        connections: roleConnections(limitsOf(settings)),
        programs: timedProgramsOf(features),
      },
    },
    inNamespace,
  );
  const ready = { providers, dependsOn: [tenancy, schema] };
  const pgbouncer = new Pgbouncer(
    `${name}-pgbouncer`,
    {
      namespace,
      ...settings.pgbouncer,
      pools: poolsFor(limitsOf(settings)),
      database: database.endpoints.primary,
      credentials: database.secrets.credentials,
      controlPlane: controlPlaneLogins,
      certificate: certificates,
      trustSecret,
    },
    ready,
  );
  const controlPlane = new ControlPlane(
    `${name}-control-plane`,
    {
      namespace,
      sharedNamespace: !settings.createNamespace,
      ...settings.controlPlane,
      ingress,
      databaseUrl: urls.controlPlaneDatabase,
      preparedStatements: settings.pgbouncer.preparedStatements,
      trustSecret,
      guard: bundles.guard,
    },
    { providers, dependsOn: [tenancy, schema, pgbouncer] },
  );

  const scheduled = scheduleAll(
    name,
    {
      ...connected,
      bundles,
      schedules: settings.schedules,
      acknowledgements: acknowledged,
      connections: urls,
      inputs: {
        environment,
        monthsAhead,
        backups,
        archiveKnownFlaws: backup.archiveKnownFlaws,
        archiveDelayDays: backup.archiveDelayDays,
        ...features,
        migrations: schema.migrations,
      },
    },
    ready,
  );

  const monitoring = new Monitoring(
    name,
    {
      ...settings.alarms,
      ...connected,
      environment,
      bundle: bundles.monitor,
      connections: urls,
      poolers: pgbouncerPods(namespace),
      ...settings.monitor,
      controlPlaneUrl: controlPlaneUrl(namespace),
      monthsAhead,
      copies: database.copies !== undefined,
      copiesArn: database.copies?.arn,
      drills: places.drill !== undefined,
      retires: backup.onlineMonths !== undefined,
      storageGib: settings.database.storageGib,
      ...database.watched,
      kmsKeyArns,
    },
    { providers, dependsOn: [tenancy, schema, pgbouncer] },
  );

  return stackOutputs({
    environment,
    regions: { ...regions, replica: places.replica?.region },
    namespace,
    database,
    backups,
    pgbouncer,
    certificates,
    controlPlane,
    ingress,
    monitoring,
    scheduled,
    urls,
  });
}

export = program;
