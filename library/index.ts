/**
 * What other Pulumi programs use of this project: its components, and what leads to their arguments. The program in this repository's
 * index.ts puts the same together for a whole deployment.
 */
export { BackupBucket, type BackupBucketArgs, backupBucketDefaults } from "../components/backup/backupBucket";
export { BackupReplication, type BackupReplicationArgs } from "../components/backup/backupReplication";
export { daysOfMonths } from "../components/backup/backupRules";
export { Connections, type ConnectionsArgs } from "../components/connections/connections";
export { databaseCa } from "../components/connections/databaseCa";
export { controlPlaneUrl } from "../components/controlPlane/address";
export { ControlPlane, type ControlPlaneArgs } from "../components/controlPlane/controlPlane";
export { Database, type DatabaseArgs, databaseDefaults } from "../components/database/database";
export { logRetentionOf } from "../components/database/serverLogs";
export type { Endpoint } from "../components/database/servers";
export { Monitoring, type MonitoringArgs } from "../components/monitoring/monitoring";
export { type ClusterNetwork, lookUpCluster, lookUpVpc, type VpcNetwork } from "../components/network/clusterNetwork";
export { lookUpDrillPlace, lookUpReplicaPlace, type ServerPlace } from "../components/network/serverPlace";
export { Tenancy, type TenancyArgs } from "../components/pods/tenancy";
export { Certificates, type CertificatesArgs } from "../components/pooling/certificates";
export { ControlPlaneLogins, type ControlPlaneLoginsArgs } from "../components/pooling/controlPlaneLogins";
export { type ConnectionLimits, poolsFor, roleConnections } from "../components/pooling/connectionBudget";
export { Pgbouncer, type PgbouncerArgs, pgbouncerNames, pgbouncerPods } from "../components/pooling/pgbouncer";
export type { DatabaseConnection, DatabaseConnections } from "../components/programs/databaseConnection";
export { scheduleAll, type ScheduleAllArgs } from "../components/programs/scheduled";
export { timedProgramsOf, type TimedName } from "../components/programs/scheduledNames";
export { Schema, type SchemaArgs } from "../components/programs/schema";
export { awsProvider } from "../components/stack/accountAccess";
export { kubernetesProvider } from "../components/stack/clusterAccess";
export { migrations, programs } from "./bundled";
