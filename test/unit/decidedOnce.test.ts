/** What a stack keeps from its first deployment: compared, and refused on every engine that the program runs on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import program from "../..";
import { Engine } from "../../cloud/engine/engine";
import { Monitor } from "../../cloud/engine/monitor";
import { State } from "../../cloud/engine/state";
import { handlerOf, invokes } from "../../cloud/handlers";
import { silent } from "../../cloud/progress";
import { changedSince, decideOnce, type DecidedOnce } from "../../components/stack/decidedOnce";
import { substitutes } from "../../local/substitutes";
import { record, type Values } from "./mocks";
import { configOf } from "./stacks";

const first: DecidedOnce = {
  environment: "prod",
  primaryRegion: "eu-central-1",
  backupRegion: "eu-north-1",
  postgresVersion: "17",
  primaryKmsKeyArn: "",
  vpcId: "vpc-1",
  createNamespace: true,
};
const changedTo = (changes: Partial<DecidedOnce>) => changedSince(first, { ...first, ...changes });

describe("what a stack was made with", () => {
  test("is kept without a word while nothing of it changes", () => {
    expect(changedTo({})).toEqual([]);
  });

  const key = "arn:aws:kms:eu-central-1:123456789012:key/1";
  test.each<[Partial<DecidedOnce>, RegExp]>([
    [{ environment: "prod2" }, /^environment is prod2, but this stack was made with prod\. .* Set it back, or make /],
    [{ primaryRegion: "eu-west-3" }, /^primaryRegion is eu-west-3, but this stack was made with eu-central-1\./],
    [{ backupRegion: "eu-west-3" }, /^backupRegion is eu-west-3, but this stack was made with eu-north-1\./],
    [{ primaryKmsKeyArn: key }, /^primaryKmsKeyArn is arn:\S+key\/1, but this stack was made without it\./],
    [{ vpcId: "vpc-2" }, /^eksClusterName leads to a cluster in vpc-2, but .* in vpc-1, .* Name a cluster in vpc-1\.$/],
    [{ createNamespace: false }, /^createNamespace is false, but this stack was made with true\. .* be deleted/],
  ])("is refused as %j, in one line that names the setting, both values and what to do", (change, line) => {
    const lines = changedTo(change);
    expect(lines).toEqual([expect.stringMatching(line)]);
    expect(lines[0]).not.toContain("\n");
  });

  test("is told once where one change brings another along: another region has another VPC", () => {
    expect(changedTo({ primaryRegion: "eu-west-3", vpcId: "vpc-2" })).toHaveLength(1);
  });

  test("is told for every setting that changed", () => {
    expect(changedTo({ environment: "prod2", backupRegion: "eu-west-3", vpcId: "vpc-2" })).toHaveLength(3);
  });

  test("is not compared where it was not recorded, by an earlier version of this program", () => {
    const { createNamespace: _, ...older } = first;
    expect(changedSince(older, { ...first, createNamespace: false })).toEqual([]);
  });

  test("is named by none of these values: with another name it would be recorded anew", async () => {
    const world = await record(() => decideOnce(first));
    expect(world.census).toEqual(["pulumi:index:Stash decided-once"]);
    expect(world.one("pulumi:index:Stash").inputs).toEqual({ input: first });
  });
});

describe.each([{ preview: true }, { preview: false }])("the program, $preview for a preview,", ({ preview }) => {
  test("makes nothing on a stack that was made with something else", async () => {
    const made: string[] = [];
    const computed = {
      "pulumi:index:Stash": ({ input }: Values) => ({ output: { ...(input as Values), environment: "other" } }),
      "random:index/randomId:RandomId": (_: Values, name: string) => (made.push(name), {}),
    };
    const running = record<unknown>(program, { stack: "dev", preview, config: configOf("dev"), computed });
    await expect(running).rejects.toThrow(/^environment is dev, but this stack was made with other\./);
    expect(made).toEqual([]);
  });
});

describe("on the local cloud", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "decided-once-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  async function up(values: DecidedOnce): Promise<void> {
    const state = State.load(join(directory, "state.json"), join(directory, "data"));
    const signal = new AbortController().signal;
    const engine = new Engine({ state, handlerOf, progress: silent, signal, substitutes });
    const monitor = new Monitor({ project: "p", stack: "s", invokes, register: (wanted) => engine.register(wanted) });
    monitor.install();
    const outcome: { refused?: unknown } = {};
    await runtime.runInPulumiStack(() =>
      decideOnce(values).catch((refused: unknown) => void (outcome.refused = refused)),
    );
    await runtime.disconnect();
    if ("refused" in outcome) throw outcome.refused;
    await engine.finish();
  }

  test("another value is refused, is refused again, and the first one is taken", async () => {
    await up(first);
    const changed = { ...first, backupRegion: "eu-west-3" };
    await expect(up(changed)).rejects.toThrow("backupRegion is eu-west-3");
    await expect(up(changed)).rejects.toThrow("backupRegion is eu-west-3");
    await up(first);
  });
});
