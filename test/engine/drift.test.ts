/** The nightly comparison (.github/workflows/drift.yml): what was changed by hand in AWS is found, without access to the cluster. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import type { Handler } from "../../cloud/handler";
import { readPreview } from "../../review/preview";
import { reviewOf } from "../../review/review";
import { mocked } from "./mocked";
import { EngineStack } from "./stack";

/** A cluster that nobody reaches. */
function unreachable(type: string): Handler | undefined {
  const handler = mocked.handlerOf(type);
  if (!handler || !type.startsWith("kubernetes:")) return handler;
  return { ...handler, heal: () => Promise.reject(new Error("configured Kubernetes cluster is unreachable")) };
}

/** As the workflow has it, but for what only a pipeline has. */
function compared(): string[] {
  const file = readFileSync(join(__dirname, "../../.github/workflows/drift.yml"), "utf8");
  const { jobs } = parse(file) as { jobs: { drift: { steps: { id?: string; run: string }[] } } };
  const { run = "" } = jobs.drift.steps.find(({ id }) => id === "compare") ?? {};
  const words = run.replace(/ > \S+$/, "").split(" ");
  return words
    .slice(1)
    .flatMap((word) => (["--non-interactive", "--stack", '"$STACK"'].includes(word) ? [] : [word.replaceAll("'", "")]));
}

let stack: EngineStack;
beforeAll(async () => {
  stack = await EngineStack.begin({ stack: "dev", ...mocked, handlerOf: unreachable });
  await stack.succeed("up", "--yes", "--skip-preview");
});
afterAll(() => stack.end());

test("where AWS has what was deployed, nothing is found", async () => {
  const { code, stdout } = await stack.pulumi(...compared());
  expect({ code, changes: reviewOf(readPreview(stdout, "drift")).changes }).toEqual({ code: 0, changes: [] });
});

test("an alarm's threshold that somebody changed by hand is found, and fails the run", async () => {
  const alarm = stack.state.entries.find(({ name }) => name === "authensor-dev-cpu-high")!;
  stack.state.put({
    ...alarm,
    inputs: { ...alarm.inputs, threshold: 99 },
    outputs: { ...alarm.outputs, threshold: 99 },
  });
  const { code, stdout } = await stack.pulumi(...compared());
  const { changes } = reviewOf(readPreview(stdout, "drift"));
  expect(code).not.toBe(0);
  expect([...new Set(changes.map(({ change }) => change.name))]).toEqual(["authensor-dev-cpu-high"]);
});
