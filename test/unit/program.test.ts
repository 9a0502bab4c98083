import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Engine } from "../../cloud/engine/engine";
import type { Context, Handler, Properties } from "../../cloud/handler";
import { configure, runProgram } from "../../cloud/engine/program";
import { silent } from "../../cloud/progress";
import { substitutes } from "../../local/substitutes";
import { State } from "../../cloud/engine/state";

let directory: string;
let made: { name: string; urn: string; inputs: Properties }[];
let deleted: string[];
let fails: Record<string, string>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "program-test-"));
  made = [];
  deleted = [];
  fails = {};
});
afterEach(() => rmSync(directory, { recursive: true }));

const thing: Handler = {
  create: async (inputs: Properties, { name, urn }: Context) => {
    await new Promise((done) => setTimeout(done, 5)); // others register meanwhile
    const why = fails[name];
    if (why !== undefined) throw new Error(why);
    made.push({ name, urn, inputs });
    return { id: `id-of-${name}`, outputs: { address: `${name}.example`, password: "hidden" } };
  },
  delete: ({ name }) => Promise.resolve(void deleted.push(name)),
};

/** A whole program in JavaScript, as the runner finds it in a checkout, run against one kind of resource. */
function run(body: string): Promise<Properties> {
  const pulumi = JSON.stringify(resolve("node_modules/@pulumi/pulumi"));
  const prelude = `
    const pulumi = require(${pulumi});
    class Thing extends pulumi.CustomResource {
      constructor(name, props, opts) { super("test:index:Thing", name, { address: undefined, password: undefined, ...props }, opts); }
    }
    class Group extends pulumi.ComponentResource {
      constructor(name) { super("test:index:Group", name); this.inner = new Thing(name + "-inner", {}, { parent: this }); this.registerOutputs(); }
    }`;
  writeFileSync(join(directory, "index.ts"), `${prelude}\nmodule.exports = async () => { ${body} };`);
  const project = { name: "project", config: { "project:size": "7" } };
  configure(project);
  return runProgram({ project, main: join(directory, "index.ts"), engine: engine() });
}

function engine(): Engine {
  const state = State.load(join(directory, "state.json"), join(directory, "data"));
  const signal = new AbortController().signal;
  const handlerOf = (type: string) => (type === "test:index:Thing" ? thing : undefined);
  return new Engine({ state, handlerOf, progress: silent, signal, substitutes });
}

describe("a program", () => {
  test("gets real outputs for its resources, and its outputs are returned", async () => {
    const outputs = await run(`
      const a = new Thing("a", { size: new pulumi.Config().requireNumber("size") });
      const b = new Thing("b", { target: a.address });
      return { id: b.id, url: pulumi.interpolate\`http://\${a.address}/\` };
    `);
    expect(outputs).toEqual({ id: "id-of-b", url: "http://a.example/" });
    expect(made.map(({ inputs }) => inputs)).toEqual([{ size: 7 }, { target: "a.example" }]);
  });

  test("hands secrets to handlers as they are, and keeps them secret in the outputs", async () => {
    const outputs = await run(`
      const a = new Thing("a", { nested: { token: pulumi.secret("s3cret") } }, { additionalSecretOutputs: ["password"] });
      return { input: await pulumi.isSecret(a.nested), output: await pulumi.isSecret(a.password), open: await pulumi.isSecret(a.address) };
    `);
    expect(made[0]?.inputs).toEqual({ nested: { token: "s3cret" } });
    expect(outputs).toEqual({ input: true, output: true, open: false });
  });

  test("names resources as Pulumi's engine does, parents' types included", async () => {
    await run(`new Group("g"); new Thing("a", {});`);
    expect(made.map(({ urn }) => urn).sort()).toEqual([
      "urn:pulumi:local::project::test:index:Group$test:index:Thing::g-inner",
      "urn:pulumi:local::project::test:index:Thing::a",
    ]);
  });

  test("keeps what it says is to be retained when it is gone from the program", async () => {
    await run(`new Thing("a", {}, { retainOnDelete: true }); new Thing("b", {});`);
    await engine().finish();
    expect(deleted).toEqual(["b"]);
  });

  test("fails with the resource that failed and why; what depends on it is not begun, what does not is finished", async () => {
    fails["broken"] = "no space left";
    const running = run(`
      const broken = new Thing("broken", {});
      new Thing("independent", {});
      new Thing("dependent", { target: broken.address });
    `);
    await expect(running).rejects.toThrow("test.Thing broken: no space left");
    expect(made.map(({ name }) => name)).toEqual(["independent"]);
  });

  test("fails with its own error where it throws one itself", async () => {
    await expect(run(`throw new pulumi.RunError("two is one too many");`)).rejects.toThrow("two is one too many");
  });

  test("fails with its own error where it throws one in an apply that nobody waits for", async () => {
    const body = `new Thing("a", {}).address.apply(() => { throw new Error("in an apply"); });`;
    await expect(run(body)).rejects.toThrow("in an apply");
  });

  test("fails where it asks for a data source that the local cloud does not have", async () => {
    await expect(run(`await pulumi.runtime.invoke("aws:ec2/getTeleporter:getTeleporter", {});`)).rejects.toThrow(
      "aws:ec2/getTeleporter:getTeleporter: the local cloud has no answer to this look-up",
    );
  });

  test("fails where it asks for a resource that the local cloud did not make", async () => {
    await expect(run(`new Thing("a", {}, { id: "i-123" });`)).rejects.toThrow(
      /Thing a .i-123.*cannot read resources that it did not make/,
    );
  });
});
