import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { awaitedJob } from "./awaitedJob";
import type { PodIdentityArgs } from "../aws/podIdentity";
import { archiveReaderStatements } from "../backup/bucketRights";
import { bucketEnv, type FoundBucket } from "./bucketEnv";
import type { DatabaseConnection } from "./databaseConnection";
import { opsProgram, type OpsProgramArgs } from "./opsProgram";

export interface CompletenessArgs
  extends
    Pick<OpsProgramArgs, "namespace" | "image" | "bundle" | "trustSecret" | "pod" | "transform">,
    Pick<PodIdentityArgs, "region" | "eksClusterName" | "permissionsBoundaryArn" | "tags"> {
  /** As the verifier, to the server that was promoted. */
  database: DatabaseConnection;
  backups: FoundBucket;
  /** Whether the deployment goes on where receipts are missing. */
  acceptMissing: boolean;
}

/**
 * Compares the promoted server with the bucket before anything new is sealed, and fails where it lacks what was archived: whoever writes
 * then writes at places of the chains that the bucket already has.
 */
export class Completeness extends pulumi.ComponentResource {
  readonly job: k8s.batch.v1.Job;

  constructor(name: string, args: CompletenessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:programs:Completeness", name, {}, opts);
    const { region, eksClusterName, permissionsBoundaryArn, tags, backups, acceptMissing } = args;
    const program = opsProgram(
      name,
      {
        ...args,
        command: "missing",
        args: acceptMissing ? ["--accept"] : [],
        aws: {
          ...{ region, eksClusterName, permissionsBoundaryArn, tags },
          description: "Authensor: who names missing receipts reads the backup bucket",
          statements: archiveReaderStatements(backups),
        },
        env: bucketEnv(backups),
      },
      this,
    );
    this.job = awaitedJob(name, program, deadline, this);

    this.registerOutputs({ job: this.job.metadata.name });
  }
}

/** Seconds for what the archiver wrote in a few minutes. */
const deadline = 1800;
