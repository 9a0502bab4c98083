import { describe, expect, test } from "vitest";
import { defaultMaxConnections, instanceCapacity, knownFamilies } from "../../components/aws/instanceClass";

describe("an instance class", () => {
  // From AWS' table of hardware specifications.
  test.each([
    ["db.t4g.micro", 2, 1],
    ["db.t4g.medium", 2, 4],
    ["db.t4g.2xlarge", 8, 32],
    ["db.t3.small", 2, 2],
    ["db.m6g.large", 2, 8],
    ["db.m7g.xlarge", 4, 16],
    ["db.m8g.48xlarge", 192, 768],
    ["db.r6g.16xlarge", 64, 512],
    ["db.r7g.large", 2, 16],
    ["db.r8g.2xlarge", 8, 64],
    ["db.x2g.large", 2, 32],
    ["db.x2g.16xlarge", 64, 1024],
  ])("%s has %d vCPUs and %d GiB", (name, vcpus, memoryGib) => {
    expect(instanceCapacity(name)).toEqual({ vcpus, memoryGib, burstable: name.startsWith("db.t") });
  });

  test.each([
    "db.r6g.48xlarge",
    "db.r7g.medium",
    "db.t4g.4xlarge",
    "db.r7g.1xlarge",
    "db.r7g.0.5xlarge",
    "db.r7g.3xlarge",
    "db.r7g.",
    "db.q9.large",
    "r7g.large",
    "db.serverless",
    "db.r5.large.tpc1.mem2x",
    "",
  ])("%j is not one", (name) => {
    expect(instanceCapacity(name)).toBeUndefined();
  });

  test("every known family has a large size", () => {
    for (const family of knownFamilies) expect(instanceCapacity(`db.${family}.large`)).toBeDefined();
  });
});

test.each([
  ["db.t4g.micro", 112],
  ["db.t4g.medium", 450],
  ["db.r7g.large", 1802],
  ["db.r7g.2xlarge", 5000],
])("RDS would give %s %d connections", (name, connections) => {
  const capacity = instanceCapacity(name);
  expect(capacity && defaultMaxConnections(capacity)).toBe(connections);
});
