import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Engine } from "../../cloud/engine/engine";
import type { Registration } from "../../cloud/engine/registration";
import type { Handler, Properties, Resource } from "../../cloud/handler";
import { running } from "../../cloud/host/pidFile";
import { start } from "../../cloud/host/process";
import { silent } from "../../cloud/progress";
import { substitutes } from "../../local/substitutes";
import { State } from "../../cloud/engine/state";

let directory: string;
let calls: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "engine-test-"));
  calls = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

const stateFile = () => join(directory, "state.json");
const loadState = () => State.load(stateFile(), join(directory, "data"));
const phases = () => loadState().entries.map(({ name, phase }) => `${name} ${phase}`);

/** A handler that only says what it was asked to do. */
function recorder(more: Partial<Handler> = {}): Handler {
  const note = (what: string, name: string) => void calls.push(`${what} ${name}`);
  return {
    replaceOnChange: ["kind"],
    create: (inputs, { name, physicalName }) => {
      note("create", name);
      return Promise.resolve({ id: physicalName, outputs: { address: `${name}:${String(inputs["size"])}` } });
    },
    update: (current, inputs) => {
      note("update", current.name);
      return Promise.resolve({ address: `${current.name}:${String(inputs["size"])}` });
    },
    delete: (current) => Promise.resolve(note("delete", current.name)),
    ...more,
  };
}

function resource(name: string, inputs: Properties = {}, more: Partial<Registration> = {}): Registration {
  const nothing = { dependencies: [], protect: false, retainOnDelete: false, ignoreChanges: [], replaceOnChanges: [] };
  return { urn: `urn::${name}`, type: "test:index:Thing", name, inputs, ...nothing, ...more };
}

/** One whole run: what is registered, one after the other, then the deletions. */
async function run(
  registrations: Registration[],
  handler: Handler = recorder(),
  signal?: AbortSignal,
): Promise<Engine> {
  calls = [];
  const engine = new Engine({
    state: loadState(),
    handlerOf: (type) => (type === "test:index:Thing" ? handler : undefined),
    progress: silent,
    substitutes,
    signal: signal ?? new AbortController().signal,
  });
  for (const registration of registrations) await engine.register(registration);
  await engine.finish();
  return engine;
}

const after = (...names: string[]) => ({ dependencies: names.map((name) => `urn::${name}`) });

describe("a run", () => {
  test("creates what does not exist and returns id and outputs, inputs included", async () => {
    const engine = new Engine({
      state: loadState(),
      handlerOf: () => recorder(),
      progress: silent,
      substitutes,
      signal: new AbortController().signal,
    });
    const created = await engine.register(resource("a", { size: 1 }));
    expect(created.id).toMatch(/^a-[0-9a-f]{7}$/);
    expect(created.outputs).toEqual({ size: 1, address: "a:1" });
    expect(phases()).toEqual(["a live"]);
  });

  test("that registers the same again does nothing", async () => {
    await run([resource("a", { size: 1 }), resource("b", {}, after("a"))]);
    const engine = await run([resource("a", { size: 1 }), resource("b", {}, after("a"))]);
    expect(calls).toEqual([]);
    expect(engine.counts).toMatchObject({ unchanged: 2, created: 0, updated: 0 });
  });

  test("updates in place exactly what changed", async () => {
    await run([resource("a", { size: 1 }), resource("b", { size: 1 })]);
    await run([resource("a", { size: 1 }), resource("b", { size: 2 })]);
    expect(calls).toEqual(["update b"]);
    expect(loadState().existing("urn::b")?.outputs).toEqual({ size: 2, address: "b:2" });
  });

  test("replaces by creating the new one first and deleting the old one at the end", async () => {
    await run([resource("a", { kind: "x" }), resource("b")]);
    const before = loadState().existing("urn::a");
    const engine = await run([resource("a", { kind: "y" }), resource("b"), resource("c")]);
    expect(calls).toEqual(["create a", "create c", "delete a"]);
    expect(loadState().existing("urn::a")?.id).not.toBe(before?.id);
    expect(engine.counts).toMatchObject({ replaced: 1, deleted: 0, unchanged: 1 });
  });

  test("replaces where the handler cannot update", async () => {
    const handler = recorder({ update: undefined });
    await run([resource("a", { size: 1 })], handler);
    await run([resource("a", { size: 2 })], handler);
    expect(calls).toEqual(["create a", "delete a"]);
  });

  test("deletes the old one first where both cannot exist at once", async () => {
    const handler = recorder({ deleteBeforeReplace: () => true });
    await run([resource("a", { kind: "x" })], handler);
    await run([resource("a", { kind: "y" })], handler);
    expect(calls).toEqual(["delete a", "create a"]);
    expect(phases()).toEqual(["a live"]);
  });

  test("deletes what the program no longer has, dependents first", async () => {
    await run([resource("a"), resource("b", {}, after("a")), resource("c", {}, after("b"))]);
    const engine = await run([]);
    expect(calls).toEqual(["delete c", "delete b", "delete a"]);
    expect(engine.counts.deleted).toBe(3);
    expect(loadState().entries).toEqual([]);
  });

  test("leaves alone what something that could not be deleted depends on", async () => {
    await run([resource("a"), resource("b", {}, after("a"))]);
    const stubborn = recorder({
      delete: ({ name }: Resource) => (name === "b" ? Promise.reject(new Error("in use")) : Promise.resolve()),
    });
    await expect(run([], stubborn)).rejects.toThrow("test.Thing b: in use");
    expect(phases().sort()).toEqual(["a live", "b condemned"]);
    await run([]);
    expect(calls).toEqual(["delete b", "delete a"]);
  });

  test("refuses to delete or replace what is protected, and says so", async () => {
    await run([resource("a", { kind: "x" }, { protect: true })]);
    await expect(run([])).rejects.toThrow(/test\.Thing a: .* protected/);
    await expect(run([resource("a", { kind: "y" }, { protect: true })])).rejects.toThrow(/kind .* protected/);
    expect(calls).toEqual([]);
  });

  test("forgets what is to be kept, replaced or gone from the program, and leaves it as it is", async () => {
    const kept = { retainOnDelete: true };
    const registered = (kind: string) => [resource("a"), resource("b", { kind }, { ...kept, ...after("a") })];
    const handler = recorder();
    handler.create = (_inputs, { physicalName, directory: own }) => {
      writeFileSync(join(own, "data"), "");
      return Promise.resolve({ id: physicalName, outputs: {} });
    };
    await run(registered("x"), handler);
    const data = () => loadState().entries.map(({ physicalName }) => join(directory, "data", physicalName, "data"));
    const [, first] = data();
    expect((await run(registered("y"), handler)).counts).toMatchObject({ replaced: 1, kept: 1, deleted: 0 });
    expect(data()).not.toContain(first);
    const [, second] = data();
    const engine = await run([], handler);
    expect(engine.counts).toMatchObject({ kept: 1, deleted: 1 });
    expect(calls).toEqual(["delete a"]);
    expect(loadState().entries).toEqual([]);
    expect([first, second].map((file) => existsSync(file!))).toEqual([true, true]);
  });

  test("clears away what was to be kept, but was not made to its end", async () => {
    const broken = recorder({ create: () => Promise.reject(new Error("no space left")) });
    await expect(run([resource("a", {}, { retainOnDelete: true })], broken)).rejects.toThrow();
    expect((await run([])).counts).toMatchObject({ kept: 0, deleted: 1 });
    expect(loadState().entries).toEqual([]);
  });

  test("honours ignoreChanges and replaceOnChanges", async () => {
    const options = { ignoreChanges: ["tags.owner"], replaceOnChanges: ["size"] };
    await run([resource("a", { size: 1, tags: { owner: "x", team: "t" } }, options)]);
    await run([resource("a", { size: 1, tags: { owner: "y", team: "t" } }, options)]);
    expect(calls).toEqual([]);
    await run([resource("a", { size: 1, tags: { owner: "y", team: "u" } }, options)]);
    expect(calls).toEqual(["update a"]);
    await run([resource("a", { size: 2, tags: { owner: "y", team: "u" } }, options)]);
    expect(calls).toEqual(["create a", "delete a"]);
  });

  test("does not report what only the engine remembers: a refused setting would look as if it had been taken", async () => {
    const remembered = recorder({ bookkeeping: true });
    expect((await run([resource("a", { size: 1 })], remembered)).counts).toMatchObject({ created: 0 });
    expect((await run([resource("a", { size: 2 })], remembered)).counts).toMatchObject({ updated: 0 });
    expect(loadState().entries).toMatchObject([{ inputs: { size: 2 } }]);
  });

  test("refuses a type that nothing stands for", async () => {
    const unknown = { ...resource("a"), type: "aws:ec2/teleporter:Teleporter" };
    await expect(run([unknown])).rejects.toThrow("ec2.Teleporter a: the local cloud has no handler for");
  });

  test("refuses two resources of the same type and name", async () => {
    await expect(run([resource("a"), resource("a")])).rejects.toThrow("same type and name");
  });

  test("says which resource failed and why", async () => {
    const broken = recorder({ create: () => Promise.reject(new Error("no space left")) });
    await expect(run([resource("a")], broken)).rejects.toThrow("test.Thing a: no space left");
  });
});

describe("healing", () => {
  test("asks each unchanged resource and passes its new outputs on", async () => {
    await run([resource("a", { size: 1 })]);
    const handler = recorder({
      heal: () => Promise.resolve({ did: "restarted", outputs: { size: 1, address: "elsewhere" } }),
    });
    const engine = await run([resource("a", { size: 1 })], handler);
    expect(engine.counts).toMatchObject({ restarted: 1, unchanged: 0 });
    expect(loadState().existing("urn::a")?.outputs["address"]).toBe("elsewhere");
  });

  test("counts a resource with nothing amiss as unchanged", async () => {
    await run([resource("a")]);
    const engine = await run([resource("a")], recorder({ heal: () => Promise.resolve(undefined) }));
    expect(engine.counts).toMatchObject({ restarted: 0, unchanged: 1 });
  });
});

describe("after an interruption", () => {
  test("the state says that the last run did not come to its end", async () => {
    await run([resource("a")]);
    expect(loadState().finished).toBe(true);
    await expect(run([resource("a"), resource("b")], recorder(dies))).rejects.toThrow();
    expect(loadState().finished).toBe(false);
    await run([resource("a")]);
    expect(loadState().finished).toBe(true);
  });

  const dies = { create: () => Promise.reject(new Error("killed")) };

  test("a create that was begun is done again in the same directory and on the same port", async () => {
    const seen: unknown[] = [];
    const handler = (end: () => Promise<never> | { id: string; outputs: Properties }) =>
      recorder({
        create: async (_, context) => {
          seen.push([context.directory, await context.port("main")]);
          return end();
        },
      });
    await expect(
      run(
        [resource("a")],
        handler(() => Promise.reject(new Error("killed"))),
      ),
    ).rejects.toThrow();
    expect(phases()).toEqual(["a creating"]);
    await run(
      [resource("a")],
      handler(() => ({ id: "1", outputs: {} })),
    );
    expect(seen[1]).toEqual(seen[0]);
    expect(phases()).toEqual(["a live"]);
  });

  test("what was only begun and is no longer wanted is removed, its processes ended", async () => {
    let pidFile = "";
    const halfMade = recorder({
      create: async (_, context) => {
        pidFile = join(context.directory, "half.pid");
        const logFile = join(context.directory, "log");
        await start({ name: "half", command: "sleep", args: ["60"], pidFile, logFile });
        throw new Error("killed");
      },
    });
    await expect(run([resource("a")], halfMade)).rejects.toThrow();
    expect(running(pidFile)).toBeDefined();
    const pid = running(pidFile)!;
    await run([]);
    expect(calls).toEqual([]); // its handler never finished making it: nothing to ask it
    expect(() => process.kill(pid, 0)).toThrow();
    expect(existsSync(pidFile)).toBe(false);
    expect(loadState().entries).toEqual([]);
  });

  test("an update that was begun is done again although the inputs are those of before", async () => {
    await run([resource("a", { size: 1 })]);
    const broken = recorder({ update: () => Promise.reject(new Error("killed")) });
    await expect(run([resource("a", { size: 2 })], broken)).rejects.toThrow();
    await run([resource("a", { size: 1 })]);
    expect(calls).toEqual(["update a"]);
  });

  test("a replacement that was begun is finished, and the old one deleted", async () => {
    await run([resource("a", { kind: "x" })]);
    await expect(run([resource("a", { kind: "y" })], recorder(dies))).rejects.toThrow();
    expect(phases()).toEqual(["a live", "a creating"]);
    await run([resource("a", { kind: "y" })]);
    expect(calls).toEqual(["create a", "delete a"]);
    expect(phases()).toEqual(["a live"]);
  });

  test("a replacement that was begun is given up when the inputs are again those of before", async () => {
    await run([resource("a", { kind: "x" })]);
    await expect(run([resource("a", { kind: "y" })], recorder(dies))).rejects.toThrow();
    await run([resource("a", { kind: "x" })]);
    expect(calls).toEqual([]);
    expect(phases()).toEqual(["a live"]);
  });

  test("a deletion that was begun is finished", async () => {
    await run([resource("a")]);
    await expect(run([], recorder({ delete: () => Promise.reject(new Error("killed")) }))).rejects.toThrow();
    expect(phases()).toEqual(["a condemned"]);
    await run([resource("a")]);
    expect(calls).toEqual(["create a", "delete a"]);
    expect(phases()).toEqual(["a live"]);
  });

  test("a deletion that was begun is finished before the next is made, where both cannot exist at once", async () => {
    const only = { deleteBeforeReplace: () => true };
    await run([resource("a")], recorder(only));
    await expect(run([], recorder({ delete: () => Promise.reject(new Error("killed")) }))).rejects.toThrow();
    await run([resource("a")], recorder(only));
    expect(calls).toEqual(["delete a", "create a"]);
  });

  test("Ctrl-C ends the run before the next resource", async () => {
    const abort = new AbortController();
    abort.abort(new Error("interrupted"));
    await expect(run([resource("a")], recorder(), abort.signal)).rejects.toThrow("interrupted");
    expect(calls).toEqual([]);
  });
});

describe("a context", () => {
  test("offers a directory of its own that goes with the resource", async () => {
    let path = "";
    const handler = recorder({
      create: (_, context) => {
        path = context.directory;
        writeFileSync(join(path, "data"), "x");
        return Promise.resolve({ id: "1", outputs: {} });
      },
    });
    await run([resource("a")], handler);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    await run([], handler);
    expect(existsSync(path)).toBe(false);
  });

  test("finds live resources by type, and not those that are still being made", async () => {
    let found: string[] = [];
    const handler = recorder({
      create: (_, context) => {
        found = context.resources("test:index:Thing").map(({ name }) => name);
        return Promise.resolve({ id: "1", outputs: {} });
      },
    });
    await run([resource("a"), resource("b")], handler);
    expect(found).toEqual(["a"]);
  });

  test("gives different resources different ports", async () => {
    const ports = new Set<number>();
    const handler = recorder({
      create: async (_, context) => {
        ports.add(await context.port("main")).add(await context.port("other"));
        return { id: "1", outputs: {} };
      },
    });
    await run([resource("a"), resource("b")], handler);
    expect(ports.size).toBe(4);
  });
});

describe("the state", () => {
  test("is readable by its owner only, and has every change as soon as that was saved", async () => {
    await run([resource("a", { password: "x" })]);
    const state = loadState();
    state.finished = false;
    for (let turn = 1; turn <= 20; turn++) {
      state.ports[`thing-${turn}`] = { main: 20_000 + turn };
      await state.save();
      expect(Object.keys(loadState().ports)).toHaveLength(turn);
    }
    expect(statSync(stateFile()).mode & 0o777).toBe(0o600);
  });

  test("is what it was before a change that a killed command has written half, and goes on from there", async () => {
    await run([resource("a"), resource("b")]);
    const state = loadState();
    const [a, b] = state.entries;
    state.finished = false;
    await state.save();
    const before = readFileSync(stateFile(), "utf8");
    state.put({ ...a!, phase: "condemned" });
    state.remove(b!);
    await state.save();
    const after = readFileSync(stateFile(), "utf8");
    expect(after.startsWith(before)).toBe(true);
    expect(phases()).toEqual(["a condemned"]);

    writeFileSync(stateFile(), after.slice(0, before.length + 20));
    expect(phases()).toEqual(["a live", "b live"]);
    const next = loadState();
    next.remove(b!);
    await next.save();
    expect(phases()).toEqual(["a live"]);
  });

  test("has a long text once, though it is an input and an output too", async () => {
    const text = "long ".repeat(1000);
    await run([resource("a", { text, size: 1 })]);
    expect(readFileSync(stateFile(), "utf8").split(text)).toHaveLength(2);
    expect(loadState().existing("urn::a")).toMatchObject({
      inputs: { text, size: 1 },
      outputs: { text, size: 1, address: "a:1" },
    });
  });

  test("is left alone by a run that finds everything as it was, and written by one that does not", async () => {
    const all = (size: number) => [resource("a", { size }), resource("b", { of: "a" }, after("a"))];
    await run(all(1));
    const { ino } = statSync(stateFile());
    await run(all(1));
    expect(statSync(stateFile()).ino).toBe(ino);
    await run(all(2));
    expect(loadState().existing("urn::a")?.inputs).toEqual({ size: 2 });
    await run([resource("a", { size: 2 })]);
    expect(phases()).toEqual(["a live"]);
  });

  test("does not grow with what is over", async () => {
    await run([resource("a", { size: 1 })]);
    const { size } = statSync(stateFile());
    for (let turn = 2; turn < 6; turn++) await run([resource("a", { size: turn })]);
    expect(statSync(stateFile()).size).toBe(size);
  });
});
