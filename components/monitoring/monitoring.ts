import * as pulumi from "@pulumi/pulumi";
import { capacityOf } from "../aws/instanceClass";
import type { WatchedServer, WatchedServers } from "../database/servers";
import type { DatabaseConnections } from "../programs/databaseConnection";
import { Alarms, type AlarmsArgs } from "./alarms";
import { Dashboard } from "./dashboard";
import { Monitor, type MonitorArgs } from "./monitor";

export interface MonitoringArgs
  extends
    Omit<MonitorArgs, "database" | "pool" | "replica" | "archiveMinutes" | "tags">,
    Omit<AlarmsArgs, "primary" | "replica" | "removedReplica">,
    WatchedServers {
  /** The monitor's ways to the servers and to PgBouncer's statistics, from `Connections.urls`. */
  connections: Pick<DatabaseConnections, "monitor" | "monitorPool" | "monitorReplica">;
  /** GiB of each server. */
  storageGib: number;
}

/**
 * Whether all is well: what measures it, what tells people when it is not, and where they look.
 * @throws where `connections` lead to no PgBouncer, whose statistics are a part of it
 */
export class Monitoring extends pulumi.ComponentResource {
  readonly monitor: Monitor;
  readonly alarms: Alarms;
  readonly dashboard: Dashboard;

  constructor(name: string, args: MonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:monitoring:Monitoring", name, {}, opts);
    const child = { parent: this };
    const { environment, connections, storageGib } = args;
    const watched = ({ name, server, region, instanceClass }: WatchedServer) => {
      return { name, identifier: server.identifier, region, capacity: capacityOf(instanceClass), storageGib };
    };
    if (!connections.monitorPool)
      throw new pulumi.RunError(
        "Monitoring watches PgBouncer too, and `connections` lead to none: give `pgbouncer` to Connections.",
      );
    const servers = { primary: watched(args.primary), replica: args.replica && watched(args.replica) };

    this.monitor = new Monitor(
      `${name}-monitor`,
      {
        ...args,
        database: connections.monitor,
        pool: connections.monitorPool,
        replica: connections.monitorReplica,
        archiveMinutes: args.thresholds.archiveMinutes,
      },
      child,
    );
    // What is measured first: an alarm without data would be one for want of it.
    this.alarms = new Alarms(name, { ...args, ...servers }, { ...child, dependsOn: this.monitor });
    const { rows, arns } = this.alarms;
    this.dashboard = new Dashboard(`${name}-dashboard`, { ...servers, environment, rows, arns }, child);

    this.registerOutputs({
      monitor: this.monitor.deployment.metadata.name,
      dashboard: this.dashboard.dashboardName,
    });
  }
}
