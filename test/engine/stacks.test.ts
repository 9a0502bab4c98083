/** Each stack under Pulumi's own engine: what it plans, makes, leaves alone, refuses and tells. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { databaseCaDirectory, ensureDatabaseCa } from "../../cloud/aws/databaseCa";
import { startEndpoints } from "../../cloud/aws/endpoints";
import { handlerOf, invokes } from "../../cloud/handlers";
import type { Handler, Properties } from "../../cloud/handler";
import { token } from "../../cloud/kubernetes/objects";
import { firstReceipt } from "../../local/firstReceipt";
import { resolveOutputs } from "../../local/outputs";
import { mocked } from "./mocked";
import { commandLine, EngineStack } from "./stack";

if (!commandLine)
  throw new Error(
    "Pulumi's command line (pulumi, pulumi-language-nodejs) is not on this machine: docs/engine.md says how to get it",
  );

/** Of a command line that ends with what it was asked for not done. */
const failed = expect.toSatisfy((code: number) => code !== 0, "another exit code than 0") as number;

/** What the engine says that it does to how many resources. */
const counted = (said: string) => /Resources:\n((?: +.*\n?)+)/.exec(said)?.[1]?.trim().split(/\n */);
const texts = (secrets: string[]) =>
  secrets.flatMap((text) => [text, Buffer.from(text).toString("base64"), JSON.stringify(text).slice(1, -1)]);

function expectNoSecret(stack: EngineStack, ...said: string[]): void {
  const secrets = stack.secretTexts();
  expect(secrets.length).toBeGreaterThan(10);
  const told = texts(secrets).filter((text) => said.some((where) => where.includes(text)));
  expect(told.length, "secrets in plain text").toBe(0);
}

describe("dev, of what AWS and Kubernetes would answer", () => {
  let stack: EngineStack;
  const failing = new Set<string>();
  const mayFail = (type: string): Handler | undefined => {
    const handler = mocked.handlerOf(type);
    return (
      handler && {
        ...handler,
        create: (inputs, context) =>
          failing.has(`${type} ${context.name}`)
            ? Promise.reject(new Error("BackoffLimitExceeded"))
            : handler.create(inputs, context),
      }
    );
  };
  beforeAll(async () => {
    stack = await EngineStack.begin({ stack: "dev", ...mocked, handlerOf: mayFail });
  });
  afterAll(() => stack.end());

  const policy = (environment: string) =>
    ["--policy-pack", "policy", "--policy-pack-config", `policy/${environment}.json`] as const;

  test("the policy pack stops what production must have and dev has not", async () => {
    const { code, stdout } = await stack.pulumi("preview", ...policy("production"));
    expect(code).toEqual(failed);
    expect(stdout).toMatch(/\[mandatory\] +database-multi-az +\(aws:rds:Instance: authensor-dev-primary\)/);
    expect(stdout).not.toMatch(/\[mandatory\] +database-own-key/);
  });

  test("a preview of the empty stack plans to create all of it, and makes nothing", async () => {
    const said = await stack.succeed("preview", ...policy("development"));
    expect(counted(said)).toEqual([expect.stringMatching(/^\+ \d+ to create$/)]);
    expect(stack.state.entries).toEqual([]);
  });

  test("a deployment whose migration fails stops before what needs the schema; the next one completes it", async () => {
    failing.add(`${token.job} authensor-dev-migrate`);
    const { code, stdout, stderr } = await stack.pulumi("up", "--yes", "--skip-preview");
    expect({ code, said: stdout + stderr }).toEqual({
      code: failed,
      said: expect.stringContaining("BackoffLimitExceeded") as string,
    });
    const made = () => stack.state.entries.filter(({ type }) => type === token.deployment).map(({ name }) => name);
    expect(made()).toEqual([]);
    failing.clear();
    const said = await stack.succeed("up", "--yes", "--skip-preview", ...policy("development"));
    expect(made()).toHaveLength(3);
    expectNoSecret(stack, stack.stateFile(), stdout, stderr, said);
  });

  test("left alone, it has nothing to change, refreshed or not", async () => {
    expect(counted(await stack.succeed("preview", "--diff", "--expect-no-changes"))).toEqual([
      expect.stringMatching(/^\d+ unchanged$/),
    ]);
    await stack.succeed("refresh", "--yes", "--skip-preview", "--expect-no-changes");
  });

  test("what the stack was made with and must keep is refused in the preview, in one line", async () => {
    await stack.succeed("config", "set", "backupRegion", "eu-west-3");
    const { code, stdout, stderr } = await stack.pulumi("preview");
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain("backupRegion is eu-west-3, but this stack was made with eu-north-1.");
    expect(stdout + stderr).not.toMatch(/^\s+at /m);
    await stack.succeed("config", "set", "backupRegion", "eu-north-1");
  });

  test("new passwords are made, and told nowhere", async () => {
    await stack.succeed("config", "set", "passwordGeneration", "2");
    const [planned, done] = [
      await stack.succeed("preview", "--diff"),
      await stack.succeed("up", "--yes", "--skip-preview", "--diff"),
    ];
    expectNoSecret(stack, planned, done, stack.stateFile(), await stack.succeed("stack", "output", "--json"));
  });

  test("a destroy leaves nothing", async () => {
    await stack.succeed("destroy", "--yes", "--skip-preview");
    // What a bucket is configured with goes with it, and is only forgotten by the engine.
    const left = stack.state.entries.map(({ type, name }) => `${type} ${name}`);
    expect(left.filter((what) => !/^aws:s3\/bucket\w+:/.test(what))).toEqual([]);
  });
});

describe("an up that is cut off while the migrations run", () => {
  let stack: EngineStack;
  /** The migrations' Job: begun, and let go on. */
  const job = { begin: () => undefined as void, goOn: Promise.resolve() };
  const waits = (type: string): Handler | undefined => {
    const handler = mocked.handlerOf(type);
    if (type !== token.job || !handler) return handler;
    const create: Handler["create"] = async (inputs, context) => {
      job.begin();
      await job.goOn;
      return handler.create(inputs, context);
    };
    return { ...handler, create };
  };
  beforeAll(async () => {
    stack = await EngineStack.begin({ stack: "dev", ...mocked, handlerOf: waits, checkpoints: true });
  });
  afterAll(() => stack.end());

  /** @returns what the command said, once `cutOff` was done to it while the Job ran */
  async function cutOff(signal: "SIGINT" | "SIGKILL") {
    let letGoOn = () => undefined as void;
    const begun = new Promise<void>((done) => (job.begin = done));
    job.goOn = new Promise((done) => (letGoOn = done));
    const { child, ended } = stack.begin("up", "--yes", "--skip-preview");
    await Promise.race([begun, ended]);
    child.kill(signal);
    if (signal === "SIGKILL") await ended;
    letGoOn();
    return ended;
  }
  const jobs = () => stack.state.entries.filter(({ type }) => type === token.job);

  test("by Ctrl-C ends in order, and the next one goes on", async () => {
    const { code, stdout, stderr } = await cutOff("SIGINT");
    expect({ code, said: stdout + stderr }).toEqual({
      code: failed,
      said: expect.stringMatching(/cancel/i) as string,
    });
    await stack.succeed("up", "--yes", "--skip-preview");
    expect(jobs()).toHaveLength(1);
    expect(counted(await stack.succeed("preview", "--expect-no-changes"))).toEqual([
      expect.stringMatching(/^\d+ unchanged$/),
    ]);
  });

  test("by a kill leaves a lock, and once that is taken away the next one goes on; what was under way stays, known to no state", async () => {
    await stack.succeed("config", "set", "monthsAhead", "4");
    const { code } = await cutOff("SIGKILL");
    expect(code).toBeNull();
    const refused = await stack.pulumi("up", "--yes", "--skip-preview");
    expect({ code: refused.code, said: refused.stdout + refused.stderr }).toEqual({
      code: failed,
      said: expect.stringContaining("pulumi cancel") as string,
    });
    await stack.succeed("cancel", "--yes");
    await stack.succeed("up", "--yes", "--skip-preview");
    expect(counted(await stack.succeed("preview", "--expect-no-changes"))).toEqual([
      expect.stringMatching(/^\d+ unchanged$/),
    ]);
    expect(jobs()).toHaveLength(2);
  });
});

describe("prod, of what AWS and Kubernetes would answer", () => {
  let stack: EngineStack;
  beforeAll(async () => {
    stack = await EngineStack.begin({ stack: "prod", ...mocked });
  });
  afterAll(() => stack.end());

  test("is made, and left alone it has nothing to change", async () => {
    await stack.succeed("up", "--yes", "--skip-preview");
    expect(counted(await stack.succeed("preview", "--diff", "--expect-no-changes"))).toEqual([
      expect.stringMatching(/^\d+ unchanged$/),
    ]);
    await stack.succeed("refresh", "--yes", "--skip-preview", "--expect-no-changes");
    expectNoSecret(stack, stack.stateFile());
  });

  test("a destroy is refused before anything is deleted", async () => {
    const before = stack.state.entries.length;
    const { code, stdout, stderr } = await stack.pulumi("destroy", "--yes");
    expect({ code, said: stdout + stderr }).toEqual({
      code: failed,
      said: expect.stringContaining("is protected") as string,
    });
    expect(stack.state.entries).toHaveLength(before);
  });
});

describe("local, of real servers", () => {
  let stack: EngineStack;
  beforeAll(async () => {
    stack = await EngineStack.begin({ stack: "local", handlerOf, invokes });
    const { state, serviceUser } = stack;
    await startEndpoints(state.root, { serviceUser, signal: new AbortController().signal });
    await stack.succeed("config", "set", "databaseCaFile", await ensureDatabaseCa(databaseCaDirectory(state.root)));
  });
  afterAll(() => stack.end());

  test("a receipt goes all the way", async () => {
    await stack.succeed("up", "--yes", "--skip-preview");
    const outputs = JSON.parse(await stack.succeed("stack", "output", "--json")) as Properties;
    const to = resolveOutputs(outputs, stack.state, join(stack.directory, ".local"));
    expect(await firstReceipt(to)).toMatchObject({ readFrom: "replica" });
    expectNoSecret(stack, stack.stateFile(), JSON.stringify(outputs));
  });

  test("left alone, it has nothing to change, refreshed or not", async () => {
    const unchanged = [expect.stringMatching(/^\d+ unchanged$/)];
    expect(counted(await stack.succeed("up", "--yes", "--skip-preview", "--expect-no-changes"))).toEqual(unchanged);
    await stack.succeed("refresh", "--yes", "--skip-preview", "--expect-no-changes");
  });

  test("a destroy ends every server", async () => {
    await stack.succeed("destroy", "--yes", "--skip-preview");
    const running = stack.state.entries.filter(({ type }) => !type.startsWith("aws:s3/"));
    expect(running.map(({ urn }) => urn)).toEqual([]);
  });
});
