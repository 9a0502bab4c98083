import { describe, expect, it } from "vitest";
import { rolloutBounds } from "../../cloud/kubernetes/rollout";
import { deploymentSchema } from "../../cloud/kubernetes/spec";

describe("what an update may have above and below the wanted number of pods", () => {
  const cases: [claim: string, replicas: number, strategy: unknown, surge: number, unavailable: number][] = [
    ["a quarter by default: above rounded up, below rounded down", 5, undefined, 2, 1],
    ["one pod is replaced by surging", 1, undefined, 1, 0],
    ["numbers as they are", 4, { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }, 1, 0],
    [
      "percentages that round to nothing still let one be away",
      2,
      { rollingUpdate: { maxSurge: "0%", maxUnavailable: "25%" } },
      0,
      1,
    ],
    ["Recreate has none meanwhile", 3, { type: "Recreate" }, 0, 3],
  ];
  it.each(cases)("%s", (_, replicas, strategy, surge, unavailable) => {
    const labels = { app: "x" };
    const template = { metadata: { labels }, spec: { containers: [{ name: "main", image: "node" }] } };
    const { spec } = deploymentSchema.parse({
      spec: { replicas, strategy, selector: { matchLabels: labels }, template },
    });
    expect(rolloutBounds(spec)).toEqual({ desired: replicas, surge, unavailable });
  });
});
