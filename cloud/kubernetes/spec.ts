/** The workloads and services that are more than a record, checked as an API server checks them. */
import { z } from "zod";
import type { Properties } from "../handler";
import { isSchedule, isTimeZone } from "./cronJob/schedule";
import { labels, metadataSchema, optional, podTemplateSchema, portNumber, portReference, seconds } from "./podSpec";

const selectorSchema = z.looseObject({
  matchLabels: optional(labels),
  matchExpressions: optional(z.array(z.unknown()).max(0)),
});
const intOrPercent = z.union([z.int().min(0), z.string().regex(/^\d+%$/)]);

export const deploymentSchema = z.looseObject({
  metadata: optional(metadataSchema),
  spec: z
    .looseObject({
      replicas: optional(z.int().min(0)),
      selector: selectorSchema,
      template: podTemplateSchema,
      minReadySeconds: seconds(0),
      progressDeadlineSeconds: seconds(1),
      strategy: optional(
        z.looseObject({
          type: optional(z.enum(["RollingUpdate", "Recreate"])),
          rollingUpdate: optional(
            z.looseObject({ maxSurge: optional(intOrPercent), maxUnavailable: optional(intOrPercent) }),
          ),
        }),
      ),
    })
    .superRefine((spec, issues) => {
      const template = spec.template.metadata?.labels ?? {};
      const wanted = Object.entries(spec.selector.matchLabels ?? {});
      if (wanted.length === 0) issues.addIssue("selector: Required value: an empty selector selects nothing");
      if (!wanted.every(([key, value]) => template[key] === value))
        issues.addIssue("template.metadata.labels: `selector` does not match template `labels`");
      if ((spec.template.spec.restartPolicy ?? "Always") !== "Always")
        issues.addIssue('template.spec.restartPolicy: Unsupported value, supported values: "Always"');
      const { maxSurge, maxUnavailable } = spec.strategy?.rollingUpdate ?? {};
      if (isZero(maxSurge) && isZero(maxUnavailable))
        issues.addIssue("strategy.rollingUpdate.maxUnavailable: may not be 0 when `maxSurge` is 0");
    }),
});
export type Deployment = z.infer<typeof deploymentSchema>;

const isZero = (value: string | number | undefined) => value === 0 || value === "0%";

const exitCodes = z
  .looseObject({
    containerName: optional(z.string()),
    operator: z.enum(["In", "NotIn"]),
    values: z.array(z.int()).min(1).max(255),
  })
  .superRefine(({ operator, values }, issues) => {
    if (operator === "In" && values.includes(0)) issues.addIssue("values: must not be 0 for the In operator");
    if (values.some((value, index) => index > 0 && value <= (values[index - 1] ?? 0)))
      issues.addIssue("values: must be ordered and unique");
  });
const failureRule = z
  .looseObject({
    action: z.enum(["FailJob", "Ignore", "Count"]),
    onExitCodes: optional(exitCodes),
    onPodConditions: optional(z.array(z.looseObject({ type: z.string().min(1), status: optional(z.string()) }))),
  })
  .refine(
    (rule) => (rule.onExitCodes === undefined) !== ((rule.onPodConditions ?? []).length === 0),
    "exactly one of onExitCodes and onPodConditions must be given",
  );

const jobSpecSchema = z
  .looseObject({
    template: podTemplateSchema,
    backoffLimit: seconds(0),
    activeDeadlineSeconds: seconds(1),
    completions: seconds(1),
    podFailurePolicy: optional(z.looseObject({ rules: z.array(failureRule).max(20) })),
  })
  .superRefine((spec, issues) => {
    const { restartPolicy = "Always", containers, initContainers = [] } = spec.template.spec;
    if (!["OnFailure", "Never"].includes(restartPolicy))
      issues.addIssue('template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"');
    if (spec.podFailurePolicy === undefined) return;
    if (restartPolicy !== "Never")
      issues.addIssue("template.spec.restartPolicy: only Never is supported when podFailurePolicy is specified");
    for (const { onExitCodes } of spec.podFailurePolicy.rules) {
      const name = onExitCodes?.containerName;
      if (name !== undefined && ![...containers, ...initContainers].some((container) => container.name === name))
        issues.addIssue(`podFailurePolicy: containerName: must be one of the container names, not ${name}`);
    }
  });
export type JobSpec = z.infer<typeof jobSpecSchema>;
export const jobSchema = z.looseObject({ metadata: optional(metadataSchema), spec: jobSpecSchema });

const cronJobSpecSchema = z.looseObject({
  schedule: z.string().refine(isSchedule, "five cron fields, or @daily and the like"),
  timeZone: optional(z.string().refine(isTimeZone, "unknown time zone")),
  concurrencyPolicy: optional(z.enum(["Allow", "Forbid", "Replace"])),
  startingDeadlineSeconds: seconds(0),
  suspend: optional(z.boolean()),
  successfulJobsHistoryLimit: seconds(0),
  failedJobsHistoryLimit: seconds(0),
  jobTemplate: z.looseObject({ metadata: optional(metadataSchema), spec: jobSpecSchema }),
});
export type CronJobSpec = z.infer<typeof cronJobSpecSchema>;
export const cronJobSchema = z.looseObject({
  metadata: optional(
    metadataSchema.refine(({ name = "" }) => name.length <= 52, "name: must be no more than 52 characters"),
  ),
  spec: cronJobSpecSchema,
});

export const serviceSchema = z.looseObject({
  metadata: optional(metadataSchema),
  spec: z.looseObject({
    type: optional(z.string()),
    clusterIP: optional(z.string()),
    selector: optional(labels),
    ports: z
      .array(
        z.looseObject({
          port: portNumber,
          name: optional(z.string()),
          targetPort: optional(portReference),
          protocol: optional(z.string()),
        }),
      )
      .min(1)
      .refine((ports) => ports.length < 2 || ports.every((port) => port.name), "each of several ports needs a name"),
  }),
});
export type Service = z.infer<typeof serviceSchema>;

/** The checked form of a resource's inputs, or the error an API server would answer with, every problem in it. */
export function admit<T extends z.ZodType>(kind: string, name: string, schema: T, inputs: Properties): z.infer<T> {
  const result = schema.safeParse(inputs);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${pathText(issue.path)}: ${issue.message}`);
  throw new Error(`${kind} "${name}" is invalid: ${problems.join("; ")}`);
}

const pathText = (path: readonly PropertyKey[]) =>
  path.map((part, index) => (typeof part === "number" ? `[${part}]` : `${index ? "." : ""}${String(part)}`)).join("");
