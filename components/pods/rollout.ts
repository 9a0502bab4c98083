/** Seconds a pod may take until it is ready, the wait for a new node and its images included; then Kubernetes calls the rollout stuck. */
export const podStart = 300;

/** How a Deployment of pods that others need is rolled: one new pod must serve before an old one goes. */
export const rolledOneByOne = {
  strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
  revisionHistoryLimit: 3,
  progressDeadlineSeconds: podStart,
};

/**
 * The number of pods is this program's: an autoscaler that was, or `kubectl scale`, owned the field, and the API server would refuse
 * to have it set back (server-side apply, conflict with subresource "scale").
 */
export const ownReplicas = { "pulumi.com/patchForce": "true" };

/** Seconds a pod takes at most where there is room for it. A rollout replaces one after the other. */
const podTurn = 60;

/**
 * How long Pulumi waits for a Deployment of so many pods. Its own ten minutes end too early for a large one; with fewer it
 * would report a rollout that is only slow as failed.
 */
export function rolloutTimeouts(pods: number): { create: string; update: string } {
  const seconds = Math.max(600, podStart + pods * podTurn);
  return { create: `${seconds}s`, update: `${seconds}s` };
}

/** Seconds until every node has heard that a terminating pod takes no new connections. */
export const endpointDrain = 5;
