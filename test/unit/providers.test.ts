/** The local cloud as providers of Pulumi's own engine, asked as that one asks. The engine itself: test/engine. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { State } from "../../cloud/engine/state";
import { unknownValue, type Handler, type Properties } from "../../cloud/handler";
import { planned } from "../../cloud/kubernetes/objects";
import { silent } from "../../cloud/progress";
import { Resources } from "../../cloud/provider/resources";
import { serveProviders, type ProviderServer } from "../../cloud/provider/server";
import { substitutes } from "../../local/substitutes";

let directory: string;
let server: ProviderServer;
let client: ResourceProviderClient;
let handler: Handler;
let calls: string[];

const make: Handler["create"] = ({ size }, { name, physicalName }) => {
  calls.push(`create ${name}`);
  return Promise.resolve({ id: physicalName, outputs: { address: `${name}:${String(size)}` } });
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "providers-"));
  calls = [];
  handler = {
    replaceOnChange: ["kind"],
    create: make,
    update: ({ name }, { size }) => {
      calls.push(`update ${name}`);
      return Promise.resolve({ address: `${name}:${String(size)}` });
    },
    delete: ({ name }) => Promise.resolve(void calls.push(`delete ${name}`)),
  };
  server = await serveProviders({
    resources: new Resources({
      state: State.load(join(directory, "state.json"), join(directory, "data")),
      handlerOf: (type) => (type === "test:index:Thing" ? handler : undefined),
      progress: silent,
      signal: new AbortController().signal,
      substitutes,
    }),
    invokes: { "test:index:look": ({ name }) => Promise.resolve({ found: `${String(name)}!` }) },
    packages: ["test", "other"],
  });
  client = new ResourceProviderClient(`127.0.0.1:${portOf(server)}`, grpc.credentials.createInsecure());
});
afterEach(() => {
  client.close();
  server.close();
  rmSync(directory, { recursive: true });
});

const portOf = ({ providers }: ProviderServer) => /^test:(\d+),other:\1$/.exec(providers)?.[1];
const struct = (values: Properties) => Struct.fromJavaScript(values as Record<string, JavaScriptValue>);
const plain = (values: Struct | undefined) => values?.toJavaScript();

const call = <Response>(start: (done: (error: grpc.ServiceError | null, response: Response) => void) => unknown) =>
  new Promise<Response>((resolve, reject) => start((error, response) => (error ? reject(error) : resolve(response))));

const about = <T extends { setUrn(urn: string): void; setName(name: string): void; setType(type: string): void }>(
  request: T,
): T => {
  request.setUrn("urn::a");
  request.setName("a");
  request.setType("test:index:Thing");
  return request;
};

async function create(inputs: Properties, preview = false) {
  const request = about(new rpc.CreateRequest());
  request.setProperties(struct(inputs));
  request.setPreview(preview);
  const response = await call<rpc.CreateResponse>((done) => client.create(request, done));
  return { id: response.getId(), outputs: plain(response.getProperties()) };
}

async function update(id: string, inputs: Properties, preview = false) {
  const request = about(new rpc.UpdateRequest());
  request.setId(id);
  request.setNews(struct(inputs));
  request.setPreview(preview);
  return plain((await call<rpc.UpdateResponse>((done) => client.update(request, done))).getProperties());
}

async function diff(before: Properties, after: Properties) {
  const request = about(new rpc.DiffRequest());
  request.setOldInputs(struct(before));
  request.setNews(struct(after));
  const response = await call<rpc.DiffResponse>((done) => client.diff(request, done));
  const detailed = response.getDetaileddiffMap();
  return {
    changes: response.getChanges() === rpc.DiffResponse.DiffChanges.DIFF_SOME,
    replaces: response.getReplacesList(),
    first: response.getDeletebeforereplace(),
    paths: [...detailed.keys()],
  };
}

async function read(id: string) {
  const request = about(new rpc.ReadRequest());
  request.setId(id);
  const response = await call<rpc.ReadResponse>((done) => client.read(request, done));
  return { id: response.getId(), outputs: plain(response.getProperties()), inputs: plain(response.getInputs()) };
}

async function remove(id: string): Promise<void> {
  const request = about(new rpc.DeleteRequest());
  request.setId(id);
  await call((done) => client.delete(request, done));
}

describe("a resource", () => {
  test("is made, changed in place, found again and deleted", async () => {
    const { id, outputs } = await create({ size: 1 });
    expect(outputs).toEqual({ size: 1, address: "a:1" });
    expect(await update(id, { size: 2 })).toEqual({ size: 2, address: "a:2" });
    expect(await read(id)).toEqual({ id, outputs: { size: 2, address: "a:2" }, inputs: { size: 2 } });
    await remove(id);
    expect(await read(id)).toMatchObject({ id: "" });
    await remove(id);
    expect(calls).toEqual(["create a", "update a", "delete a"]);
  });

  test("is not touched by a preview, which knows its inputs and what it has computed already", async () => {
    expect(await create({ size: 1 }, true)).toEqual({ id: "", outputs: { size: 1 } });
    const { id } = await create({ size: 1 });
    expect(await update(id, { size: unknownValue }, true)).toEqual({ size: unknownValue, address: "a:1" });
    expect(calls).toEqual(["create a"]);
  });

  test("that could not be made leaves nothing: the engine would never have it deleted", async () => {
    handler.create = (_, context) => {
      writeFileSync(join(context.directory, "half"), "");
      return Promise.reject(new Error("no room"));
    };
    await expect(create({ size: 1 })).rejects.toThrow("no room");
    expect(readdirSync(join(directory, "data"))).toEqual([]);
    expect(State.load(join(directory, "state.json"), "").entries).toEqual([]);
  });

  test("that was begun by a run that was cut off is gone on with, in the same directory", async () => {
    const directories: string[] = [];
    handler.create = ({ size }, { physicalName }) => {
      directories.push(physicalName);
      return size === 1 ? new Promise(() => undefined) : Promise.resolve({ id: "x", outputs: {} });
    };
    void create({ size: 1 }).catch(() => undefined);
    await vi.waitFor(() => expect(directories).toHaveLength(1));
    await create({ size: 2 });
    expect(directories[1]).toBe(directories[0]);
  });

  test("that died is made real again by a refresh, as a cloud would by itself", async () => {
    const { id } = await create({ size: 1 });
    handler.heal = () => Promise.resolve({ did: "restarted", outputs: { address: "elsewhere" } });
    expect(await read(id)).toEqual({ id, outputs: { size: 1, address: "elsewhere" }, inputs: { size: 1 } });
  });

  test("whose replacement has the same id is the older one, which is deleted", async () => {
    handler.create = ({ size }) => Promise.resolve({ id: "none", outputs: { made: size } });
    await create({ size: 1 });
    await create({ size: 2 });
    await remove("none");
    expect(await read("none")).toMatchObject({ outputs: { made: 2 } });
  });
});

describe("a difference", () => {
  test("is told by path, with what cannot be changed in place", async () => {
    expect(await diff({ size: 1 }, { size: 1 })).toEqual({ changes: false, replaces: [], first: false, paths: [] });
    const before = { kind: "x", size: 1, spec: { ports: [{ "a.b": 1 }] } };
    const after = { kind: "y", size: 1, spec: { ports: [{ "a.b": 2 }] } };
    expect(await diff(before, after)).toEqual({
      changes: true,
      replaces: ["kind"],
      first: false,
      paths: ["kind", 'spec.ports[0]["a.b"]'],
    });
  });

  test("of what cannot be changed at all replaces it, the old one first where both cannot be there at once", async () => {
    handler = { create: make, deleteBeforeReplace: () => true };
    expect(await diff({ size: 1 }, { size: 2 })).toMatchObject({ replaces: ["size"], first: true });
  });
});

describe("what goes wrong", () => {
  test("is told in the handler's words", async () => {
    handler.create = () => Promise.reject(new Error("InvalidParameterValue: no such class"));
    await expect(create({})).rejects.toThrow("InvalidParameterValue: no such class");
  });

  test("is said of a type and of a look-up that nothing stands for", async () => {
    const request = about(new rpc.CreateRequest());
    request.setType("test:index:Other");
    await expect(call<rpc.CreateResponse>((done) => client.create(request, done))).rejects.toThrow(
      "no handler for test:index:Other",
    );
    const invoke = new rpc.InvokeRequest();
    invoke.setTok("test:index:other");
    await expect(call<rpc.InvokeResponse>((done) => client.invoke(invoke, done))).rejects.toThrow(
      "no answer to this look-up",
    );
  });
});

test("a look-up is answered", async () => {
  const request = new rpc.InvokeRequest();
  request.setTok("test:index:look");
  request.setArgs(struct({ name: "x" }));
  expect(plain((await call<rpc.InvokeResponse>((done) => client.invoke(request, done))).getReturn())).toEqual({
    found: "x!",
  });
});

test("what the engine's provider was told is there for the handlers, and so are resources", async () => {
  const request = new rpc.ConfigureRequest();
  request.setType("pulumi:providers:test");
  request.setArgs(struct({ region: "eu-central-1" }));
  await call<rpc.ConfigureResponse>((done) => client.configure(request, done));
  let seen: unknown;
  handler.create = (_, context) => {
    seen = context.resources("pulumi:providers:test").map(({ inputs }) => inputs);
    return Promise.resolve({ id: "x", outputs: {} });
  };
  await create({});
  expect(seen).toEqual([{ region: "eu-central-1" }]);
});

test("a Kubernetes object's name is known to a preview where it was given, or made before", () => {
  const current = { outputs: { metadata: { name: "made-1a2b3c4", uid: "u" }, status: {} } } as never;
  expect(planned({ metadata: { labels: {} }, spec: 1 }, undefined)).toEqual({
    metadata: { labels: {}, name: unknownValue },
    spec: 1,
  });
  expect(planned({ metadata: { name: "given" } }, undefined)).toEqual({ metadata: { name: "given" } });
  expect(planned({ metadata: {} }, current)).toEqual({ metadata: { name: "made-1a2b3c4", uid: "u" }, status: {} });
});
