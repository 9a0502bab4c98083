import { controlPlaneUrl } from "./components/controlPlane/address";
import type { ControlPlane } from "./components/controlPlane/controlPlane";
import type { Database } from "./components/database/database";
import type { WritingServer } from "./components/database/servers";
import type { Monitoring } from "./components/monitoring/monitoring";
import type { SecretKey } from "./components/pods/secretKey";
import type { Certificates } from "./components/pooling/certificates";
import { type Pgbouncer, pgbouncerNames } from "./components/pooling/pgbouncer";
import { poolerPort } from "./components/pooling/pgbouncerEntries";
import type { DatabaseConnections } from "./components/programs/databaseConnection";
import type { ScheduledInputs } from "./components/programs/scheduledProgram";
import type { Scheduled } from "./components/programs/scheduled";
import { settingsInForce } from "./settings/shown";

interface Deployed {
  environment: string;
  regions: { primary: string; replica?: string | undefined; backup: string };
  namespace: string;
  database: Database;
  backups: Pick<ScheduledInputs["backups"], "bucketName" | "region" | "owner">;
  certificates: Certificates;
  urls: DatabaseConnections;
  scheduled: readonly Scheduled[];
  pgbouncer: Pgbouncer;
  controlPlane: ControlPlane;
  ingress?: { host: string } | undefined;
  monitoring: Monitoring;
}

type Server = Pick<WritingServer, "identifier" | "address" | "port" | "arn">;
const server = ({ identifier, address: host, port, arn }: Server) => ({ identifier, host, port, arn });

/** What the stack tells of itself: where everything is, and never a secret. */
export function stackOutputs({
  environment,
  regions,
  namespace,
  database: { network, primary, replica },
  backups,
  certificates,
  urls,
  scheduled,
  pgbouncer,
  controlPlane,
  ingress,
  monitoring: { monitor, alarms, dashboard },
}: Deployed) {
  const secretOf = ({ name, key }: SecretKey) => ({ namespace, name, key });
  return {
    environment,
    regions,
    namespace,
    primary: server(primary),
    /** Who may reach it: security groups, or blocks of addresses. */
    primaryAdmits: network.primaryAdmits,
    ...(replica && { replica: server(replica) }),
    backupBucket: { name: backups.bucketName, region: backups.region, owner: backups.owner },
    pgbouncer: {
      host: pgbouncerNames(namespace)[0],
      port: poolerPort.others,
      service: pgbouncer.service.metadata.name,
      /** Deploy before: only a deployment makes a new certificate. */
      certificateValidUntil: certificates.validUntil,
    },
    controlPlane: {
      url: controlPlaneUrl(namespace),
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
    adminTokenSecret: secretOf(controlPlane.adminToken),
    /** What `./authensor review` compares the settings of the next change with. */
    settings: settingsInForce(),
  };
}
