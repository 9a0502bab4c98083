/** A major upgrade, step by step: what each deployment of it changes on AWS, and what is refused. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Entry } from "../../cloud/engine/state";
import { unfinished, upgradeSteps, versionProblem } from "../../components/stack/majorVersion";
import { parseSettings } from "../../settings";
import { type Changed, deploy, isOfAws } from "./settingChanges";
import { configOf } from "./stacks";

const key = (name: string) => `authensor-database:${name}`;
const prod = configOf("prod");
const at = (majorUpgrade: string, postgresVersion: string) => ({
  ...prod,
  [key("majorUpgrade")]: majorUpgrade,
  [key("postgresVersion")]: postgresVersion,
});
const instance = "aws:rds/instance:Instance";

let before: Entry[];
const after: Record<string, { entries: Entry[]; changed: Changed[] }> = {};
beforeAll(async () => {
  before = (await deploy(prod, [])).entries;
  let there = before;
  for (const [step, config] of [
    ["release-replica", at("release-replica", "17")],
    ["remove-replica", at("remove-replica", "17")],
    ["upgrade", at("upgrade", "18")],
    ["none", at("none", "18")],
  ] as const)
    there = (after[step] = await deploy(config, there)).entries;
});

const ofAws = (step: string) => after[step]!.changed.filter(isOfAws);
const short = ({ what, change }: Changed) => `${what} ${change}`;
const server = (step: string, name: string) =>
  after[step]!.entries.find((entry) => entry.type === instance && entry.name === `authensor-prod-${name}`);

describe("the step", () => {
  test("release-replica takes the replica's protection off, and changes nothing else on AWS", () => {
    expect(ofAws("release-replica").map(({ paths, ...change }) => [short(change as Changed), paths])).toEqual([
      ["rds.Instance replica updated", ["deletionProtection"]],
    ]);
    expect(server("release-replica", "replica")).toMatchObject({ protect: false });
    expect(server("release-replica", "primary")).toMatchObject({ protect: true });
  });

  test("remove-replica removes the replica's instance and its alarms: no key, no network, and no topic that people have confirmed", () => {
    const gone = ofAws("remove-replica").filter(({ change }) => change === "removed" || change === "replaced");
    expect(gone.map(short)).toContain("rds.Instance replica removed");
    expect(gone.filter(({ type }) => !/:(Instance|MetricAlarm|CompositeAlarm|EventSubscription)$/.test(type))).toEqual(
      [],
    );
    expect(server("remove-replica", "replica")).toBeUndefined();
    expect(ofAws("remove-replica").filter(({ what }) => what === "rds.Instance primary")).toEqual([]);
  });

  test("upgrade changes the primary in place, with a parameter group of the new version, at once", () => {
    const [primary, ...others] = ofAws("upgrade").filter(({ type }) => type === instance);
    expect(others).toEqual([]);
    expect(primary).toMatchObject({ what: "rds.Instance primary", change: "updated" });
    expect(primary!.paths.filter((path) => path !== "applyImmediately").sort()).toEqual([
      ...["allowMajorVersionUpgrade", "engineVersion", "parameterGroupName"],
    ]);
    const { inputs } = server("upgrade", "primary")!;
    expect(inputs).toMatchObject({ engineVersion: "18", allowMajorVersionUpgrade: true, applyImmediately: true });
    const group = after["upgrade"]!.entries.find(({ outputs }) => outputs["name"] === inputs["parameterGroupName"]);
    expect(group?.inputs).toMatchObject({ family: "postgres18" });
  });

  test("upgrade replaces parameter groups, removes nothing, and has the migrations run again", () => {
    const gone = ofAws("upgrade").filter(({ change }) => change === "removed" || change === "replaced");
    expect(gone.map(short).filter((what) => !what.startsWith("rds.ParameterGroup"))).toEqual([]);
    expect(after["upgrade"]!.changed.map(short)).toContain("batch.Job migrate replaced");
  });

  test("none makes the replica anew, protected, where it was and as it was, and forbids the next upgrade", () => {
    const made = server("none", "replica")!;
    const was = before.find(({ type, name }) => type === instance && name === "authensor-prod-replica")!;
    expect(ofAws("none").map(short)).toContain("rds.Instance replica made");
    expect(made.protect).toBe(true);
    expect({ ...made.inputs, parameterGroupName: "" }).toEqual({ ...was.inputs, parameterGroupName: "" });
    expect(server("none", "primary")!.inputs).toMatchObject({ engineVersion: "18", allowMajorVersionUpgrade: false });
    expect(ofAws("none").filter(({ change }) => change === "removed" || change === "replaced")).toEqual([]);
  });
});

test("while there is no replica, each deployment says so; a stack that wants none is told nothing", () => {
  const told = upgradeSteps.filter((step) => unfinished(step, true).length > 0);
  expect(told).toEqual(["remove-replica", "upgrade"]);
  expect(upgradeSteps.flatMap((step) => unfinished(step, false))).toEqual([]);
});

describe("another postgresVersion", () => {
  test("is refused before anything is changed, in one line that says where the steps are", async () => {
    const refused = deploy(at("none", "18"), before);
    await expect(refused).rejects.toThrow(
      /^postgresVersion is 18, but 17 is recorded with this stack\. .*majorUpgrade .*major-upgrade\.md/,
    );
    await expect(refused).rejects.not.toThrow("\n");
  });

  test("is refused once the upgrade is done: the version of before as well as a later one", async () => {
    const { entries } = after["none"]!;
    await expect(deploy(at("none", "17"), entries)).rejects.toThrow(
      /^postgresVersion is 17, .* 18 is recorded with this stack\./,
    );
  });

  test("is taken by the step upgrade alone", () => {
    expect(upgradeSteps.filter((step) => versionProblem("17", "18", step) === undefined)).toEqual(["upgrade"]);
  });

  test("that the server runs already, since an older one was recorded by a deployment that RDS has refused, is named with its way out", () => {
    expect(versionProblem("17", "18", "none")).toMatch(
      /Set postgresVersion back to 17 until then; or, where the server runs 18 already, set majorUpgrade to upgrade\.$/,
    );
  });

  test("is compared with what a stack of before recorded, which has no record of its own yet", async () => {
    const older = before.filter(({ name }) => name !== "postgres-version");
    await expect(deploy(at("none", "18"), older)).rejects.toThrow("17 is recorded with this stack");
  });
});

test.each<[Record<string, string>, RegExp]>([
  [
    { failedOver: "true", replicaEksClusterName: "west", replicaZones: "", majorUpgrade: "upgrade" },
    /must be none while failedOver is true/,
  ],
  [
    { replica: "false", deletionProtection: "false", majorUpgrade: "remove-replica" },
    /is upgrade at once where replica/,
  ],
  [{ majorUpgrade: "17" }, /none, release-replica, remove-replica or upgrade, in this order/],
])("the settings %j are refused", (changes, line) => {
  const config = Object.fromEntries(Object.entries(prod).map(([name, value]) => [name.split(":")[1]!, value]));
  expect(() => parseSettings({ ...config, ...changes })).toThrow(line);
});
