import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { evictionIsNoFailure } from "./jobFailures";
import type { OpsProgram } from "./opsProgram";

/**
 * A Job that the deployment waits for, and that stops it where it fails. Auto-named: the next one starts beside it, and it is deleted once
 * that is done.
 * @param deadline seconds that it may take
 */
export const awaitedJob = (
  name: string,
  program: OpsProgram,
  deadline: number,
  parent: pulumi.Resource,
  opts?: Pick<pulumi.CustomResourceOptions, "ignoreChanges">,
) =>
  new k8s.batch.v1.Job(
    name,
    {
      // Without it Pulumi waits for a failed Job again instead of running it again.
      metadata: { ...program.metadata, annotations: { "pulumi.com/replaceUnready": "true" } },
      spec: {
        // The program waits by itself for what may come; any other failure is final, and is reported at once as
        // BackoffLimitExceeded, which Pulumi knows. A node that goes away is no failure.
        backoffLimit: 0,
        podFailurePolicy: { rules: [evictionIsNoFailure] },
        activeDeadlineSeconds: deadline,
        template: program.template,
        // No ttlSecondsAfterFinished: a Job that is gone would be made, and run, again.
      },
    },
    {
      ...opts,
      parent,
      dependsOn: program.dependsOn,
      customTimeouts: { create: `${deadline + 60}s`, update: `${deadline + 60}s` },
    },
  );
