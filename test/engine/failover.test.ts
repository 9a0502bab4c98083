/** The operator's commands of docs/failover.md under Pulumi's own command line and engine. */
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forgetRegionIn, leftInRegion } from "../../local/failover/regions";
import { mocked } from "./mocked";
import type { Export } from "../../failover/forget";
import { commandLine, EngineStack } from "./stack";

if (!commandLine)
  throw new Error(
    "Pulumi's command line (pulumi, pulumi-language-nodejs) is not on this machine: docs/engine.md says how to get it",
  );

interface Step {
  op: string;
  urn: string;
}

describe("a failover under Pulumi's engine, with the bucket in the replica's region", () => {
  let stack: EngineStack;
  const file = (name: string) => join(stack.directory, name);
  beforeAll(async () => {
    stack = await EngineStack.begin({ stack: "prod", ...mocked });
    await stack.succeed("config", "rm", "replicaZones");
    await stack.succeed("config", "set", "replicaEksClusterName", "platform-west");
    await stack.succeed("config", "set", "backupRegion", "eu-west-1");
    await stack.succeed("up", "--yes", "--skip-preview");
    await stack.succeed("stack", "export", "--file", file("before.json"));
    writeFileSync(
      file("after.json"),
      forgetRegionIn(file("before.json"), "eu-central-1", () => undefined),
    );
    await stack.succeed("stack", "import", "--file", file("after.json"));
  });
  afterAll(() => stack.end());

  test("is refused as long as failedOver is not set", async () => {
    const { code, stdout, stderr } = await stack.pulumi("preview");
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain(
      "failedOver is false and primaryRegion is eu-central-1, but this stack has failed over",
    );
  });

  test("is planned with the replica's server as an update, deletes nothing protected, and is deployed", async () => {
    await stack.succeed("config", "set", "failedOver", "true");
    const { steps } = JSON.parse(await stack.succeed("preview", "--json")) as { steps: Step[] };
    const instances = steps.filter(({ urn }) => urn.includes("aws:rds/instance:Instance::"));
    expect(instances.map(({ op }) => op)).toEqual(["update"]);
    await stack.succeed("up", "--yes", "--skip-preview");
    await stack.succeed("preview", "--expect-no-changes");
  });

  test("has a new replica, and no failedOver any more, once the settings name the primary's new place", async () => {
    for (const [key, value] of Object.entries({
      ...{ primaryRegion: "eu-west-1", eksClusterName: "platform-west" },
      ...{ replicaRegion: "eu-central-1", replicaEksClusterName: "platform-prod" },
      // The bucket is beside the primary now.
      ...{ backupCopies: "false", failedOver: "false" },
    }))
      await stack.succeed("config", "set", key, value);
    const { steps } = JSON.parse(await stack.succeed("preview", "--json")) as { steps: Step[] };
    const instances = steps.filter(({ urn }) => urn.includes("aws:rds/instance:Instance::"));
    expect(instances.map(({ op, urn }) => `${op} ${urn.split("::").at(-1)}`).sort()).toEqual([
      "create authensor-prod-replica-2",
      "update authensor-prod-replica",
    ]);
    await stack.succeed("up", "--yes", "--skip-preview");
    await stack.succeed("preview", "--expect-no-changes");
  });

  test("leaves a stack from which all but the old primary, and what it stands on, is destroyed", async () => {
    writeFileSync(file("left.json"), leftInRegion(file("before.json"), "eu-central-1", "left"));
    await stack.succeed("stack", "init", "left");
    await stack.succeed("stack", "import", "--file", file("left.json"));
    await stack.succeed("destroy", "--yes", "--skip-preview", "--exclude-protected");
    const { deployment } = JSON.parse(await stack.succeed("stack", "export")) as Export;
    const types = (deployment.resources ?? []).filter(({ custom }) => custom).map(({ type }) => type);
    expect(types).toContain("aws:rds/instance:Instance");
    expect(types.filter((type) => /^kubernetes:|peering|secretsmanager|podIdentity/i.test(type))).toEqual([]);
  });
});
