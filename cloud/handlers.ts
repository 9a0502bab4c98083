/** Every resource type and data source that the local cloud knows. */
import * as aws from "./aws";
import { bucketType } from "./aws/s3/handlers";
import type { Handler, Invoke } from "./handler";
import { stash } from "./stash";
import * as kubernetes from "./kubernetes";
import { token as kubernetesToken } from "./kubernetes/objects";

export const handlers: Record<string, Handler> = {
  ...aws.handlers,
  ...kubernetes.handlers,
  "pulumi:index:Stash": stash,
};

export const invokes: Record<string, Invoke> = { ...aws.invokes, ...kubernetes.invokes };

/** What stands for a resource type; undefined for a type that neither has a handler nor is known to need none. */
export function handlerOf(type: string): Handler | undefined {
  return Object.hasOwn(handlers, type) ? handlers[type] : undefined;
}

/** The types behind which something runs, or has run, on this machine: what a person asks after. */
export const running: readonly string[] = [
  "aws:rds/instance:Instance",
  bucketType,
  kubernetesToken.job,
  kubernetesToken.cronJob,
  kubernetesToken.deployment,
  kubernetesToken.service,
];
