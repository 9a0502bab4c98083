import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { awaitedJob } from "./awaitedJob";
import { type CreatedRoleKey, createdRoleKeys, type Generations } from "../database/credentials";
import { expectationsEnv, expectationsFile, expectationsPath } from "./expectationsPath";
import type { DatabaseConnection } from "./databaseConnection";
import { opsProgram, type OpsProgramArgs } from "./opsProgram";
import { sqlPath } from "./sqlPath";

const passwordsPath = "/app/passwords";

/** What the database is told of the deployment, and what it is checked against. */
export interface Expectations {
  /** Server parameters by name, in RDS' units, as the parameter group has them. */
  parameters: Record<string, string>;
  /** Months of partitions ahead of today. */
  monthsAhead: number;
  /** Connections that each role may have, by its name; without one, as many as the server has. */
  connections: Record<string, number>;
  /** Programs on schedule that the deployment has. */
  programs: readonly string[];
}

export interface MigrationFiles {
  /** SQL by file name. */
  files: Record<string, string>;
  /** SHA-256 over names and contents, hex: changes if and only if a migration does. */
  hash: string;
}

export interface MigrationsArgs extends Pick<
  OpsProgramArgs,
  "namespace" | "image" | "bundle" | "trustSecret" | "pod" | "transform"
> {
  /** The primary itself, as the owner: an advisory lock through a pooler would stay behind. */
  database: OpsProgramArgs["database"];
  /** The SQL of the schema. */
  migrations: MigrationFiles;
  /** Passwords to give the logins that it makes; the owner, who makes them, has one already. */
  credentials: Generations<CreatedRoleKey>;
  expectations: Expectations;
  /** How long RDS may take to apply dynamic parameters before a difference fails the deployment. */
  parameterWaitMinutes: number;
  /** Major version of the server: with another one it is run again, since an upgrade leaves something to be done. */
  postgresVersion: string;
  /**
   * Where given, the primary is closed to whoever writes, and the replica, as the verifier, waited for until it has
   * all: a switchover comes next, or this is taken away, and the primary open again. Default: it is open.
   */
  fenced?: { replica: DatabaseConnection | undefined } | undefined;
}

/**
 * Brings the database to this program's schema, and fails the deployment where that does not succeed. What uses the
 * schema depends on this. Run again only when the SQL, the program, a password or an expectation has changed: each is
 * part of the pod template.
 */
export class Migrations extends pulumi.ComponentResource {
  readonly job: k8s.batch.v1.Job;
  /** The ConfigMap with the SQL. */
  readonly sql: pulumi.Output<string>;
  /** That with what the database is told of the deployment. */
  readonly expectations: pulumi.Output<string>;

  constructor(name: string, args: MigrationsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:programs:Migrations", name, {}, opts);
    const child = { parent: this };
    const metadata = { namespace: args.namespace };

    const sql = new k8s.core.v1.ConfigMap(
      `${name}-sql`,
      { metadata, immutable: true, data: args.migrations.files },
      child,
    );
    this.sql = sql.metadata.name;
    const expectations = new k8s.core.v1.ConfigMap(
      `${name}-expectations`,
      {
        metadata,
        immutable: true,
        data: { [expectationsFile]: `${JSON.stringify(args.expectations, undefined, 2)}\n` },
      },
      child,
    );
    this.expectations = expectations.metadata.name;
    const { current, previous } = args.credentials;
    const logins = createdRoleKeys.flatMap((role) => [current[role], previous[role]]);
    const passwords = new k8s.core.v1.Secret(
      `${name}-passwords`,
      {
        metadata,
        immutable: true,
        stringData: Object.fromEntries(logins.map(({ user, password }) => [user, pulumi.secret(password)])),
      },
      child,
    );
    const program = opsProgram(
      name,
      {
        ...args,
        command: "migrate",
        args: [args.fenced ? "fence" : "up"],
        databases: { REPLICA: args.fenced?.replica },
        env: {
          MIGRATIONS_DIR: sqlPath,
          ROLE_PASSWORDS_DIR: passwordsPath,
          ...expectationsEnv,
          // As long as a Multi-AZ failover may take (AWS names 60 to 120 seconds), and a new pod's policies to be in force.
          CONNECT_TIMEOUT_SECONDS: "180",
          PARAMETER_WAIT_SECONDS: String(60 * args.parameterWaitMinutes),
        },
        annotations: {
          "authensor.io/migrations-sha256": args.migrations.hash,
          "authensor.io/postgres-version": args.postgresVersion,
        },
        volumes: {
          [sqlPath]: { configMap: { name: sql.metadata.name } },
          [passwordsPath]: { secret: { secretName: passwords.metadata.name, defaultMode: 0o440 } },
          [expectationsPath]: { configMap: { name: this.expectations } },
        },
      },
      this,
    );

    const deadline = workSeconds + 60 * args.parameterWaitMinutes;
    // The next one waits for this one's lock.
    this.job = awaitedJob(name, program, deadline, this);

    this.registerOutputs({ job: this.job.metadata.name });
  }
}

/** Seconds for the work itself: an index on a large partition may take long, a deployment that hangs is of no use. */
const workSeconds = 1800;
