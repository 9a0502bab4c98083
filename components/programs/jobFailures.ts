import type { types } from "@pulumi/kubernetes";

type Rule = types.input.batch.v1.PodFailurePolicyRule;

/** A drained, preempted or lost node says nothing about the program: such an end does not use up a try. */
export const evictionIsNoFailure = {
  action: "Ignore",
  onPodConditions: [{ type: "DisruptionTarget", status: "True" }],
} satisfies Rule;

/**
 * The programs end with 2 where their settings are wrong: another try ends the same way. Only for Jobs that Pulumi does not wait
 * for: a Job ended by this rule has the reason PodFailurePolicy, which Pulumi does not know, and it would wait until its own time
 * is over (pulumi-kubernetes, provider/pkg/await/checker/job/check.go: BackoffLimitExceeded and DeadlineExceeded are known).
 */
export const wrongSettingsAreFinal = {
  action: "FailJob",
  onExitCodes: { operator: "In", values: [2] },
} satisfies Rule;
