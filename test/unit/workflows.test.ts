import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

interface Job {
  if?: string;
  permissions?: Record<string, string>;
  environment?: unknown;
  concurrency?: unknown;
  "timeout-minutes"?: number;
  steps: { uses?: string; run?: string; with?: Record<string, unknown> }[];
}
interface Workflow {
  on: Record<string, unknown>;
  permissions: object;
  defaults: { run: { shell: string } };
  jobs: Record<string, Job>;
}

const root = join(__dirname, "../../.github");
const text = (file: string) => readFileSync(join(root, file), "utf8");
const files = readdirSync(join(root, "workflows")).map((name) => `workflows/${name}`);
const workflow = (file: string) => parse(text(file)) as Workflow;

describe.each(files)("%s", (file) => {
  const { permissions, defaults, jobs } = workflow(file);

  test("gives no right that a job does not ask for, and credentials of AWS to no job that may write here", () => {
    expect(permissions).toEqual({});
    for (const { permissions: asked = {} } of Object.values(jobs)) {
      const writes = Object.keys(asked).filter((right) => asked[right] === "write");
      expect(writes).toHaveLength(1);
      expect(["id-token", "pull-requests", "issues"]).toContain(writes[0]);
    }
  });

  test("has credentials only in an environment, whose name AWS trusts, and never from what a checkout leaves behind", () => {
    for (const { permissions: asked, environment, steps } of Object.values(jobs)) {
      if (asked?.["id-token"] !== "write") continue;
      expect(environment).toBeDefined();
      const checkout = steps.find(({ uses }) => uses?.startsWith("actions/checkout@"));
      expect(checkout?.with).toMatchObject({ "persist-credentials": false });
    }
  });

  test("lets no failure be hidden by a pipe", () => {
    expect(defaults.run.shell).toBe("bash");
  });

  test("does nothing in a copy of this repository where no stack is named", () => {
    const first = Object.values(jobs)[0];
    expect(first?.if).toContain("vars.PULUMI_STACKS != ''");
  });

  test("puts nothing that somebody else may choose into a script's text", () => {
    for (const { steps } of Object.values(jobs)) for (const { run = "" } of steps) expect(run).not.toContain("${{");
  });
});

test.each([...files, "actions/pulumi/action.yml"])(
  "%s uses no action that can change: a commit, and its version beside it",
  (file) => {
    const uses = [...text(file).matchAll(/uses: (\S+)(.*)/g)];
    expect(uses.length).toBeGreaterThan(0);
    for (const [, action, version] of uses)
      expect(`${action}${version}`).toMatch(/^\.\/\.github\/|^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  },
);

test("a pull request from a fork gets no credentials", () => {
  const { on, jobs } = workflow("workflows/preview.yml");
  expect(Object.keys(on)).toEqual(["pull_request"]);
  expect(jobs["preview"]?.if).toContain("head.repo.full_name == github.repository");
});

test("a deployment's credentials outlast it", () => {
  const { steps, "timeout-minutes": minutes } = workflow("workflows/up.yml").jobs["up"]!;
  const used = steps.find(({ uses }) => uses === "./.github/actions/pulumi");
  expect(used?.with?.["seconds"]).toBeGreaterThanOrEqual(minutes! * 60);
  const action = parse(text("actions/pulumi/action.yml")) as { runs: Pick<Job, "steps"> };
  const credentials = action.runs.steps.find(({ uses }) => uses?.startsWith("aws-actions/configure-aws-credentials@"));
  expect(credentials?.with).toMatchObject({ "role-duration-seconds": "${{ inputs.seconds }}" });
});

test("a deployment is never cut off by the next", () => {
  expect(workflow("workflows/up.yml").jobs["up"]?.concurrency).toMatchObject({ "cancel-in-progress": false });
});
