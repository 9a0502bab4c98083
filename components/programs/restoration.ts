import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { awaitedJob } from "./awaitedJob";
import type { PodIdentityArgs } from "../aws/podIdentity";
import { archiveReaderStatements } from "../backup/bucketRights";
import { bucketEnv, type FoundBucket } from "./bucketEnv";
import type { DatabaseConnection } from "./databaseConnection";
import type { MigrationFiles } from "./migrations";
import { opsProgram, type OpsProgramArgs } from "./opsProgram";
import { sqlPath } from "./sqlPath";

export interface RestorationArgs
  extends
    Pick<OpsProgramArgs, "namespace" | "image" | "bundle" | "trustSecret" | "pod" | "transform">,
    Pick<PodIdentityArgs, "region" | "eksClusterName" | "permissionsBoundaryArn" | "tags"> {
  /** As the owner, to the primary that was made empty. */
  database: DatabaseConnection;
  /** What it is filled from. */
  source: FoundBucket;
  /** The SQL of the schema. */
  migrations: MigrationFiles;
}

/**
 * Fills an empty primary from a locked bucket alone, before the migrations. Cut off, it begins anew in what it alone has
 * made; a database with anything else in it is refused.
 */
export class Restoration extends pulumi.ComponentResource {
  readonly job: k8s.batch.v1.Job;

  constructor(name: string, args: RestorationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:programs:Restoration", name, {}, opts);
    const { region, eksClusterName, permissionsBoundaryArn, tags, source } = args;
    const sql = new k8s.core.v1.ConfigMap(
      `${name}-sql`,
      { metadata: { namespace: args.namespace }, immutable: true, data: args.migrations.files },
      { parent: this },
    );
    const program = opsProgram(
      name,
      {
        ...args,
        command: "restore",
        args: ["--again"],
        memory: "512Mi",
        aws: {
          ...{ region, eksClusterName, permissionsBoundaryArn, tags },
          description: "Authensor: who restores a database reads its source's backup bucket",
          statements: archiveReaderStatements(source),
        },
        env: { ...bucketEnv(source), MIGRATIONS_DIR: sqlPath, CONNECT_TIMEOUT_SECONDS: "180" },
        volumes: { [sqlPath]: { configMap: { name: sql.metadata.name } } },
      },
      this,
    );
    this.job = awaitedJob(name, program, deadline, this);

    this.registerOutputs({ job: this.job.metadata.name });
  }
}

/** Seconds: a day, for what takes about a minute a gigabyte. */
const deadline = 24 * 3600;
