import * as pulumi from "@pulumi/pulumi";
import type { DatabaseSecrets } from "../database/databaseSecrets";
import type { Replica } from "../database/replica";
import type { WritingServer } from "../database/servers";
import { StoredPasswords } from "../database/storedPasswords";
import type { DatabaseConnections } from "./databaseConnection";
import { Adoption, type AdoptionArgs } from "./adoption";
import { type Expectations, Migrations, type MigrationsArgs } from "./migrations";
import { Restoration } from "./restoration";
import { Reboots, type RebootsArgs } from "./reboots";

export interface SchemaArgs
  extends
    Omit<
      MigrationsArgs,
      "database" | "bundle" | "credentials" | "expectations" | "parameterWaitMinutes" | "postgresVersion" | "fenced"
    >,
    Omit<RebootsArgs, "primary" | "replica" | "bundle" | "postgresVersion"> {
  /** The servers, as `Database` has them. */
  servers: { primary: WritingServer; replica: Replica | undefined; secrets: DatabaseSecrets };
  /** The owner's way to them, from `Connections.urls`. */
  connections: Pick<DatabaseConnections, "owner" | "ownerReplica" | "verifierReplica">;
  /** The programs' texts. */
  bundles: Readonly<Record<"reboot" | "migrate", string>>;
  /** What the database is told of the deployment; of what is left out, 3 months ahead and no limits of connections. */
  expectations: Partial<Omit<Expectations, "parameters">> & Pick<Expectations, "programs">;
  /** Whether the servers are rebooted where changed parameters wait for it. Default: false. */
  rebootForParameters?: boolean;
  /** Whether the primary is closed to whoever writes, before a switchover. Default: false. */
  fenced?: boolean;
  /** What the primary is restored from, where it is: it is verified once it has this schema. Default: nothing. */
  restored?:
    | (Pick<AdoptionArgs, "from" | "fromBucket" | "source" | "acknowledgements" | "knownFlaws"> & {
        bundles: Readonly<Record<"adopt" | "restore", string>>;
      })
    | undefined;
  /** How long RDS may take to apply dynamic parameters before a difference fails the deployment. Default: 10. */
  parameterWaitMinutes?: number;
}

export const schemaDefaults = { parameterWaitMinutes: 10, expectations: { monthsAhead: 3, connections: {} } };

/**
 * The servers as everybody else expects to find them: with the parameters in force that they were given, this program's schema, and
 * logins whose passwords are told to people only then. What uses the database depends on this.
 */
export class Schema extends pulumi.ComponentResource {
  readonly reboots: Reboots | undefined;
  readonly migrations: Migrations;

  constructor(name: string, args: SchemaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:programs:Schema", name, {}, opts);
    const { servers, connections, bundles, expectations, restored, ...shared } = args;
    const { primary, replica, secrets } = servers;

    this.reboots = args.rebootForParameters
      ? new Reboots(
          `${name}-reboot`,
          {
            ...shared,
            bundle: bundles.reboot,
            postgresVersion: primary.postgresVersion,
            primary: { server: primary, connection: connections.owner },
            replica: replica && connections.ownerReplica && { server: replica, connection: connections.ownerReplica },
          },
          { parent: this, dependsOn: [primary, ...(replica ? [replica] : [])] },
        )
      : undefined;
    const restoration = restored?.fromBucket
      ? new Restoration(
          `${name}-restore`,
          { ...shared, ...restored, bundle: restored.bundles.restore, database: connections.owner },
          { parent: this, dependsOn: this.reboots },
        )
      : undefined;
    this.migrations = new Migrations(
      `${name}-migrate`,
      {
        ...shared,
        parameterWaitMinutes: args.parameterWaitMinutes ?? schemaDefaults.parameterWaitMinutes,
        postgresVersion: primary.postgresVersion,
        database: connections.owner,
        fenced: args.fenced ? { replica: connections.verifierReplica } : undefined,
        bundle: bundles.migrate,
        credentials: secrets.credentials,
        expectations: { ...schemaDefaults.expectations, ...expectations, parameters: primary.expectedSettings },
      },
      { parent: this, dependsOn: [this.reboots, restoration].filter((before) => before !== undefined) },
    );
    if (restored)
      new Adoption(
        `${name}-adopt`,
        { ...shared, ...restored, bundle: restored.bundles.adopt, database: connections.owner },
        { parent: this, dependsOn: this.migrations },
      );
    new StoredPasswords(
      `${name}-roles`,
      { region: args.region, secrets, inForce: { owner: primary, others: this.migrations } },
      { parent: this },
    );

    this.registerOutputs({ job: this.migrations.job.metadata.name });
  }
}
