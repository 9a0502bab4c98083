/** Whether the control plane takes decisions: what its own readiness says, asked from the pods' network. */
import type { Source } from "../source";

const notReady = { part: "controlPlane", reason: "the control plane does not answer that it is ready" } as const;

export const controlPlane: Source = {
  name: "controlPlane",
  everySeconds: 10,
  timeoutSeconds: 5,
  onFailure: [notReady],
  async collect({ controlPlaneUrl }, signal) {
    const ready = await fetch(`${controlPlaneUrl}/health/ready`, { signal }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    return {
      samples: { ControlPlaneReady: ready ? 1 : 0 },
      findings: [ready ? { part: "controlPlane" } : notReady],
    };
  },
};
