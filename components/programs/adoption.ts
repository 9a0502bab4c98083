import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { awaitedJob } from "./awaitedJob";
import type { PodIdentityArgs } from "../aws/podIdentity";
import { archiveReaderStatements } from "../backup/bucketRights";
import { bucketEnv, type FoundBucket } from "./bucketEnv";
import type { DatabaseConnection } from "./databaseConnection";
import { opsProgram, type OpsProgramArgs } from "./opsProgram";
import { acknowledgedFile } from "./scheduledFiles";

const acknowledgedPath = "/app/acknowledged";

export interface AdoptionArgs
  extends
    Pick<OpsProgramArgs, "namespace" | "image" | "bundle" | "trustSecret" | "pod" | "transform">,
    Pick<PodIdentityArgs, "region" | "eksClusterName" | "permissionsBoundaryArn" | "tags"> {
  /** As the owner, to the restored primary. */
  database: DatabaseConnection;
  /** What it was restored from. */
  from: { from: string; time?: string | undefined };
  /** Whether that is the bucket alone. */
  fromBucket: boolean;
  /** The bucket that its source archived into. */
  source: FoundBucket;
  /** Findings that were looked into, as JSON. Default: there are none. */
  acknowledgements?: string | undefined;
  /** Flaws in that bucket's archive that were looked into. */
  knownFlaws: number;
}

/**
 * Verifies a restored database against the bucket of its source, and makes it this deployment's own: once, and before
 * anything writes to it. What writes depends on this.
 */
export class Adoption extends pulumi.ComponentResource {
  readonly job: k8s.batch.v1.Job;

  constructor(name: string, args: AdoptionArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:programs:Adoption", name, {}, opts);
    const { region, eksClusterName, permissionsBoundaryArn, tags, from, source, acknowledgements, knownFlaws } = args;
    const acknowledged =
      acknowledgements === undefined
        ? undefined
        : new k8s.core.v1.ConfigMap(
            `${name}-acknowledged`,
            {
              metadata: { namespace: args.namespace },
              immutable: true,
              data: { [acknowledgedFile]: acknowledgements },
            },
            { parent: this },
          ).metadata.name;
    const program = opsProgram(
      name,
      {
        ...args,
        command: "adopt",
        ...(args.fromBucket && { args: ["--bucket"] }),
        aws: {
          ...{ region, eksClusterName, permissionsBoundaryArn, tags },
          description: "Authensor: who verifies a restored database reads its source's backup bucket",
          statements: archiveReaderStatements(source),
        },
        env: {
          ...bucketEnv(source),
          RESTORED_FROM: from.time === undefined ? from.from : `${from.from} at ${from.time}`,
          ARCHIVE_KNOWN_FLAWS: String(knownFlaws),
          ...(acknowledged && { ACKNOWLEDGED_FILE: `${acknowledgedPath}/${acknowledgedFile}` }),
        },
        ...(acknowledged && { volumes: { [acknowledgedPath]: { configMap: { name: acknowledged } } } }),
      },
      this,
    );
    this.job = awaitedJob(name, program, deadline, this);

    this.registerOutputs({ job: this.job.metadata.name });
  }
}

/** Seconds, as long as the verification on schedule of the whole trail and its archive. */
const deadline = 12 * 3600;
