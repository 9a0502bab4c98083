/** One RDS instance, as RDS' API and its own server tell of it. */
import { DescribeDBInstancesCommand, RDSClient, RebootDBInstanceCommand } from "@aws-sdk/client-rds";
import { withConnection } from "../database";
import type { Difference } from "../migrate/difference";
import { checkParameters } from "../migrate/parameters";
import { waitsForReboot } from "../migrate/reboots";
import { Failure } from "../program";

export interface State {
  /** "available", "rebooting", "modifying", … */
  status: string;
  /** Whether RDS has taken over the parameter group's change, and waits with it. */
  pendingReboot: boolean;
}

export class Instance {
  readonly #client: RDSClient;
  readonly identifier: string;

  constructor(
    arn: string,
    readonly url: string,
    /** Wanted values by name, of parameters that a server takes when it starts. */
    readonly parameters: Record<string, string>,
    readonly signal: AbortSignal,
  ) {
    const [, , service, region = "", , kind, identifier = ""] = arn.split(":");
    if (service !== "rds" || kind !== "db")
      throw new Failure(`${arn} is not the ARN of an RDS instance (arn:aws:rds:<region>:<account>:db:<name>)`, [], 2);
    this.identifier = identifier;
    this.#client = new RDSClient({ region });
  }

  async state(): Promise<State> {
    const command = new DescribeDBInstancesCommand({ DBInstanceIdentifier: this.identifier });
    const { DBInstances: [found] = [] } = await this.#client.send(command, { abortSignal: this.signal });
    return {
      status: found?.DBInstanceStatus ?? "unknown",
      pendingReboot:
        found?.DBParameterGroups?.some((group) => group.ParameterApplyStatus === "pending-reboot") ?? false,
    };
  }

  /** Asks for the reboot; false where the instance is busy with something else. Multi-AZ: in place, without a failover. */
  async reboot(): Promise<boolean> {
    const command = new RebootDBInstanceCommand({ DBInstanceIdentifier: this.identifier, ForceFailover: false });
    try {
      await this.#client.send(command, { abortSignal: this.signal });
      return true;
    } catch (error) {
      if ((error as Error).name.startsWith("InvalidDBInstanceState")) return false;
      throw error;
    }
  }

  /** What its server has not in force, for want of a start. */
  async waiting(): Promise<Difference[]> {
    const differences = await this.ask((client) => checkParameters(client, this.parameters));
    return differences.filter(waitsForReboot);
  }

  async startedAt(): Promise<string> {
    return this.one("select pg_postmaster_start_time()::text as value");
  }

  /** A primary's. */
  async position(): Promise<string> {
    return this.one("select pg_current_wal_lsn()::text as value");
  }

  /** Of a replica: whether it has replayed up to there. */
  async hasReplayed(position: string): Promise<boolean> {
    return (await this.one("select (pg_last_wal_replay_lsn() >= $1)::text as value", [position])) === "true";
  }

  private async one(sql: string, values: string[] = []): Promise<string> {
    return this.ask(async (client) => (await client.query<{ value: string }>(sql, values)).rows[0]?.value ?? "");
  }

  private ask<T>(work: Parameters<typeof withConnection<T>>[1]): Promise<T> {
    return withConnection({ url: this.url, applicationName: "authensor-reboot", signal: this.signal }, work);
  }
}
