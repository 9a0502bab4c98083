/** Shape of `controlPlanePod`, `pgbouncerPod` and `opsPod`: what the API server would refuse halfway is refused here. */
import { z } from "zod";
import { scalar } from "./kinds";

const objectName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, "must be the name of a Kubernetes object");
const labelKey = z
  .string()
  .regex(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/, "must be a label's key");
const labelValue = scalar.pipe(
  z.string().regex(/^([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/, "must be a label's value, 63 characters at most"),
);

const units: Record<string, number> = {
  ...{ m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 },
};
const quantityPattern = /^(\d+(?:\.\d+)?)(m|k|[KMGT]i|[MGT])?$/;

/** As a number, to compare by. */
function amount(quantity: string): number {
  const [, number, unit = ""] = quantityPattern.exec(quantity) ?? [];
  return Number(number) * (units[unit] ?? NaN);
}

// The command line makes a number of `1` or `0.5`; a quantity is the same however it is spelled.
const quantity = z
  .union([z.string(), z.number()])
  .transform(String)
  .refine((text) => amount(text) > 0, "must be a quantity such as 250m, 0.5, 512Mi or 2Gi");

const resources = z
  .strictObject({
    // The autoscaler scales by a share of the requested CPU, the scheduler places by both.
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ cpu: quantity, memory: quantity }).partial().optional(),
  })
  .superRefine(({ requests, limits }, context) => {
    for (const name of ["cpu", "memory"] as const) {
      const limit = limits?.[name];
      if (limit !== undefined && amount(requests[name]) > amount(limit))
        context.addIssue({
          code: "custom",
          path: ["limits", name],
          message: `must not be below requests.${name} ${requests[name]}; use at least ${requests[name]}`,
        });
    }
  });

const toleration = z
  .strictObject({
    key: labelKey,
    operator: z.enum(["Equal", "Exists"]),
    value: labelValue,
    effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    tolerationSeconds: scalar
      .pipe(z.string().regex(/^\d{1,9}$/, "must be a whole number of seconds"))
      .transform(Number),
  })
  .partial()
  .superRefine(({ key, operator = "Equal", value, effect, tolerationSeconds }, context) => {
    if (key === undefined && operator !== "Exists") context.addIssue("without a key the operator must be Exists");
    if (operator === "Exists" && value !== undefined) context.addIssue("the operator Exists takes no value");
    if (tolerationSeconds !== undefined && effect !== "NoExecute")
      context.addIssue("tolerationSeconds needs the effect NoExecute");
  });

export const podOverrides = z
  .strictObject({
    nodeSelector: z.record(labelKey, labelValue),
    tolerations: z.array(toleration),
    priorityClassName: objectName,
    imagePullSecrets: z.array(objectName),
    resources,
  })
  .partial();
