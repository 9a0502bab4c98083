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
  /** As the verifier, to the replica that is to be promoted: where it answers as long as it is one, and afterwards. */
  database: DatabaseConnection;
  backups: FoundBucket;
  /** Seconds that the replica's last heartbeat may be older than the bucket's newest manifest. */
  lagSeconds: number;
  /** What the deployment goes on without: the digest that the refusal names. Default: nothing. */
  acceptMissing?: string | undefined;
  /**
   * Whether the settings say that it was promoted before: then nothing is compared, and it must be no replica any more.
   */
  promoted: boolean;
  /**
   * Whether it is compared anew by this deployment, whatever an earlier one has found: as long as it is a replica, since
   * its primary may have come back meanwhile.
   */
  anew: boolean;
}

/** A Job runs once for each value of it. */
const comparedFor = "authensor.io/compared-for";

/**
 * Compares the replica with the bucket before it is promoted, and fails where it lacks what was archived: whoever
 * writes to it then writes at places of the chains that the bucket already has. What promotes depends on this.
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
        args: args.promoted
          ? ["--promoted"]
          : ["--max-lag", String(args.lagSeconds), ...(acceptMissing === undefined ? [] : ["--accept", acceptMissing])],
        aws: {
          ...{ region, eksClusterName, permissionsBoundaryArn, tags },
          description: "Authensor: who names missing receipts reads the backup bucket",
          statements: archiveReaderStatements(backups),
        },
        env: bucketEnv(backups),
        annotations: { [comparedFor]: args.anew ? new Date().toISOString() : "a promoted server" },
      },
      this,
    );
    this.job = awaitedJob(name, program, deadline, this, {
      ignoreChanges: args.anew ? [] : [`spec.template.metadata.annotations["${comparedFor}"]`],
    });

    this.registerOutputs({ job: this.job.metadata.name });
  }
}

/** Seconds for what the archiver wrote in a few minutes. */
const deadline = 1800;
