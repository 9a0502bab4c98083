import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { metrics, type Metric } from "../../ops/monitor/metrics";
import { assumed, prices } from "../../review/costs";
import { costsOfWorld, costsPage } from "./costs";
import type { World } from "./mocks";
import { worldOf } from "./worlds";

let dev: World<unknown>;
let prod: World<unknown>;
beforeAll(async () => {
  [dev, prod] = [await worldOf("dev"), await worldOf("prod")];
});

const usd = (world: World<unknown>, what: RegExp) => costsOfWorld(world).find((cost) => what.test(cost.what))?.usd;

describe("what a stack costs", () => {
  test("is on docs/costs.md as it is computed (npm run costs)", () => {
    const page = readFileSync(join(__dirname, "../../docs/costs.md"), "utf8");
    expect(page).toBe(costsPage(dev, prod));
  });

  test("counts a standby in a second zone twice, server and storage", () => {
    const hour = prices.instanceHour["db.r7g.large"]!["eu-central-1"]!;
    expect(usd(prod, /^Primary, db\.r7g\.large, eu-central-1$/)).toBeCloseTo(2 * assumed.hours * hour);
    expect(usd(prod, /^Primary's storage/)).toBeCloseTo(2 * 200 * prices.storage["eu-central-1"]!);
    expect(usd(prod, /^Replica's storage/)).toBeCloseTo(200 * prices.storage["eu-west-1"]!);
  });

  test("counts every key and every secret that is made, copies too", () => {
    expect(usd(prod, /^KMS keys$/)).toBe(prod.all("aws:kms/key:Key").length * prices.key);
    const secrets = prod.all("aws:secretsmanager/secret:Secret").length;
    expect(usd(prod, /^Secrets Manager/)).toBeCloseTo(2 * secrets * prices.secret);
  });

  test("counts every series of a metric, and the one alarm of high resolution, which only a replica needs, three times", () => {
    const labels = { Role: 9, Outcome: 4, Scope: 3, Program: 4 };
    const all: Metric[] = Object.values(metrics);
    const series = all.reduce((sum, { by }) => sum + (by ? labels[by] : 1), 0);
    expect(usd(prod, /metrics$/)).toBeCloseTo(series * prices.metric);
    for (const [world, composites, fast] of [
      [dev, 2, 0],
      [prod, 4, 1],
    ] as const) {
      const alarms = world.all("aws:cloudwatch/metricAlarm:MetricAlarm").length;
      expect(usd(world, /alarms$/)).toBeCloseTo(alarms * 0.1 + fast * 0.2 + composites * 0.5);
    }
  });
});
