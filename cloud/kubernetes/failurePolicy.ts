/** A Job's podFailurePolicy: what the end of a pod means for the Job. */
import type { JobSpec } from "./spec";

/** The first rule that fits decides; without one the failure counts. Conditions never fit: nothing evicts pods here. */
export function failureAction(
  { podFailurePolicy }: Pick<JobSpec, "podFailurePolicy">,
  container: string,
  code: number,
): { action: "FailJob" | "Ignore" | "Count"; rule: number } {
  const rules = podFailurePolicy?.rules ?? [];
  const rule = rules.findIndex(({ onExitCodes }) => {
    if (onExitCodes === undefined || (onExitCodes.containerName ?? container) !== container) return false;
    return onExitCodes.values.includes(code) === (onExitCodes.operator === "In");
  });
  return { action: rules[rule]?.action ?? "Count", rule };
}
