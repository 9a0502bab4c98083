/**
 * Runs a Pulumi program against a recorder instead of a cloud. Pulumi's own `setMocks` hides what matters most here
 * (`protect`, dependencies, which values are secret), so this stands one level lower: it is the resource monitor.
 *
 *     const world = await record(() => new Primary("authensor", args));
 *     const instance = world.one("aws:rds/instance:Instance");
 *     expect(instance.inputs).toMatchObject({ multiAz: true });
 *     expect(instance.secrets).toEqual(["passwordWo"]);
 *     world.expectNothingSecretInPlain();
 */
import * as pulumi from "@pulumi/pulumi";
import * as structs from "google-protobuf/google/protobuf/struct_pb";
import * as provider from "@pulumi/pulumi/proto/provider_pb";
import * as resource from "@pulumi/pulumi/proto/resource_pb";
import { computedOutputs, lookups } from "./mockOutputs";

export type Values = Record<string, unknown>;

/** What a value that only exists after deployment looks like in `inputs`; seen with `preview: true`. */
export const unknown = "<unknown>";

export interface Recorded {
  type: string;
  name: string;
  urn: string;
  custom: boolean;
  /** As given, with secrets unwrapped, unknowns as `unknown`, references to resources as their URN. */
  inputs: Values;
  /** Paths in `inputs` whose values are marked secret: "passwordWo", "stringData.url", "spec.containers[0].env". */
  secrets: string[];
  /** Name of the parent; undefined for what hangs off the stack. */
  parent: string | undefined;
  /** URNs of everything it waits for: `dependsOn` and every output among its inputs. */
  dependencies: string[];
  /** Per input property, the URNs its value came from. */
  propertyDependencies: Record<string, string[]>;
  /** "urn::id" of the explicit provider; "" where the default one is used. */
  provider: string;
  protect: boolean;
  ignoreChanges: string[];
  replaceOnChanges: string[];
  deleteBeforeReplace: boolean;
  retainOnDelete: boolean;
  customTimeouts: { create: string; update: string; delete: string };
  aliases: number;
  /** URNs under which the engine finds it in a state of before: by its aliases, and by those of its parents. */
  formerly: string[];
  /** What the cloud computed; empty in a preview, and for components. */
  computed: Values;
  /** What registerOutputs was given; undefined until it is called. */
  outputs: Values | undefined;
}

export interface Invoked {
  token: string;
  inputs: Values;
}

export interface Options {
  project?: string;
  stack?: string;
  /** A `pulumi preview` of a new stack: nothing that a deployment would compute is known. */
  preview?: boolean;
  /** Configuration with its namespace: { "authensor-database:environment": "dev" }. */
  config?: Record<string, string>;
  /** Data sources by token; replaces the built-in answer. */
  invokes?: Record<string, (inputs: Values) => Values>;
  /** Computed outputs by type token, merged over the built-in ones. */
  computed?: Record<string, (inputs: Values, name: string) => Values>;
}

const secretSignature = { key: pulumi.runtime.specialSigKey, value: pulumi.runtime.specialSecretSig };

interface Decoded {
  value: unknown;
  secrets: string[];
}

function decode(value: unknown, path = ""): Decoded {
  if (value === pulumi.runtime.unknownValue) return { value: unknown, secrets: [] };
  if (Array.isArray(value)) {
    const items = value.map((item, index) => decode(item, `${path}[${index}]`));
    return { value: items.map((item) => item.value), secrets: items.flatMap((item) => item.secrets) };
  }
  if (value === null || typeof value !== "object") return { value, secrets: [] };
  const record = value as Values;
  const signature = record[pulumi.runtime.specialSigKey];
  if (signature === secretSignature.value) return { value: decode(record.value).value, secrets: [path] };
  if (signature === pulumi.runtime.specialResourceSig) return { value: record.urn, secrets: [] };
  const decoded = Object.entries(record).map(
    ([key, inner]) => [key, decode(inner, path === "" ? key : `${path}.${key}`)] as const,
  );
  return {
    value: Object.fromEntries(decoded.map(([key, inner]) => [key, inner.value])),
    secrets: decoded.flatMap(([, inner]) => inner.secrets),
  };
}

const asSecret = (value: unknown) => ({ [secretSignature.key]: secretSignature.value, value });

const isSecret = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  (value as Values)[pulumi.runtime.specialSigKey] === secretSignature.value;

type Callback<T> = (error: Error | null, response?: T) => void;

class Recorder {
  readonly recorded: Recorded[] = [];
  readonly invoked: Invoked[] = [];
  /** Every text that a resource computed and called secret: a password, a private key. */
  readonly secretTexts = new Set<string>();
  readonly #byUrn = new Map<string, Recorded>();

  constructor(readonly options: Options) {}

  registerResource(request: resource.RegisterResourceRequest, callback: Callback<resource.RegisterResourceResponse>) {
    try {
      const response = new resource.RegisterResourceResponse();
      const raw = (request.getObject()?.toJavaScript() ?? {}) as Values;
      const { value, secrets } = decode(raw);
      const inputs = value as Values;
      const [type, name] = [request.getType(), request.getName()];
      const parent = this.#byUrn.get(request.getParent());
      const urn = urnOf(request.getParent(), type, name);
      const recorded: Recorded = {
        type,
        name,
        urn,
        custom: request.getCustom(),
        inputs,
        secrets,
        parent: parent?.type === "pulumi:pulumi:Stack" ? undefined : parent?.name,
        dependencies: request.getDependenciesList(),
        propertyDependencies: {},
        provider: request.getProvider(),
        protect: request.getProtect() ?? false,
        ignoreChanges: request.getIgnorechangesList(),
        replaceOnChanges: request.getReplaceonchangesList(),
        deleteBeforeReplace: request.getDeletebeforereplace(),
        retainOnDelete: request.getRetainondelete() ?? false,
        customTimeouts: {
          create: request.getCustomtimeouts()?.getCreate() ?? "",
          update: request.getCustomtimeouts()?.getUpdate() ?? "",
          delete: request.getCustomtimeouts()?.getDelete() ?? "",
        },
        aliases: request.getAliasesList().length + request.getAliasurnsList().length,
        formerly: this.#formerUrns(request).filter((former) => former !== urn),
        computed: {},
        outputs: undefined,
      };
      request.getPropertydependenciesMap().forEach((urns, key) => {
        recorded.propertyDependencies[key] = urns.getUrnsList();
      });
      if (this.#byUrn.has(urn)) throw new Error(`two resources have the URN ${urn}`);
      this.#byUrn.set(urn, recorded);
      this.recorded.push(recorded);

      response.setUrn(urn);
      const isProvider = type.startsWith("pulumi:providers:");
      let outputs: Values = raw;
      if (request.getCustom() && !isProvider) {
        const computed = {
          ...computedOutputs(type, name, inputs, (wanted) => this.#resources(wanted)),
          ...this.options.computed?.[type]?.(inputs, name),
        };
        // What the engine makes itself, it makes in a preview too.
        if (!this.options.preview || type.startsWith("pulumi:")) {
          recorded.computed = computed;
          response.setId((computed.id as string | undefined) ?? `${name}-id`);
          outputs = { ...raw, ...computed };
          for (const key of request.getAdditionalsecretoutputsList()) {
            const text = outputs[key];
            if (text === undefined || isSecret(text)) continue;
            if (typeof text === "string" && text.length > 0) this.secretTexts.add(text);
            outputs[key] = asSecret(text);
          }
        } else {
          for (const key of Object.keys(computed)) {
            if (!(key in raw) && key !== "id") outputs = { ...outputs, [key]: pulumi.runtime.unknownValue };
          }
        }
      } else if (isProvider) {
        response.setId(`${name}-id`);
      }
      response.setObject(structs.Struct.fromJavaScript(outputs as Record<string, structs.JavaScriptValue>));
      callback(null, response);
    } catch (error) {
      callback(error as Error);
    }
  }

  #formerUrns(request: resource.RegisterResourceRequest): string[] {
    const [type, name, parent] = [request.getType(), request.getName(), request.getParent()];
    const nameIn = (urn: string) => urn.split("::").slice(3).join("::");
    const specs = request.getAliasesList().map((alias) => alias.getSpec());
    const called = [
      { type, name },
      ...specs.map((spec) => ({ type: spec?.getType() || type, name: spec?.getName() || name })),
    ];
    const parents = [parent, ...(this.#byUrn.get(parent)?.formerly ?? [])];
    return [
      ...request.getAliasesList().flatMap((alias) => alias.getUrn() || []),
      ...parents.flatMap((former) =>
        called.map((one) => {
          // A child that bears its parent's name bore the former one.
          const [now, then] = [nameIn(parent), nameIn(former)];
          const bore = now && one.name.startsWith(now) ? `${then}${one.name.slice(now.length)}` : one.name;
          return urnOf(former, one.type, bore);
        }),
      ),
    ];
  }

  #resources(type: string) {
    const existing = this.recorded.filter((r) => r.type === type);
    return existing.map(({ computed, ...r }) => ({
      ...r,
      id: String(computed.id),
      outputs: { ...r.inputs, ...computed },
    }));
  }

  registerResourceOutputs(request: resource.RegisterResourceOutputsRequest, callback: Callback<unknown>) {
    const registered = this.#byUrn.get(request.getUrn());
    if (registered === undefined) return callback(new Error(`outputs for unknown resource ${request.getUrn()}`));
    if (registered.outputs !== undefined) return callback(new Error(`outputs registered twice for ${registered.urn}`));
    const { value, secrets } = decode(request.getOutputs()?.toJavaScript() ?? {});
    registered.outputs = value as Values;
    this.outputSecrets.set(registered.urn, secrets);
    callback(null, {});
  }

  readonly outputSecrets = new Map<string, string[]>();

  invoke(request: resource.ResourceInvokeRequest, callback: Callback<provider.InvokeResponse>) {
    try {
      const token = request.getTok();
      const inputs = decode(request.getArgs()?.toJavaScript() ?? {}).value as Values;
      this.invoked.push({ token, inputs });
      const answer = this.options.invokes?.[token] ?? lookups[token];
      if (answer === undefined) throw new Error(`no answer to ${token}: add one to test/unit/mockOutputs.ts`);
      const response = new provider.InvokeResponse();
      response.setReturn(structs.Struct.fromJavaScript(answer(inputs) as Record<string, structs.JavaScriptValue>));
      callback(null, response);
    } catch (error) {
      // Pulumi reads a failed look-up's reason from gRPC's `details`.
      callback(Object.assign(error as Error, { details: (error as Error).message }));
    }
  }

  readResource(_request: unknown, callback: Callback<never>) {
    callback(new Error("reading existing resources is not part of this program: use a look-up function"));
  }

  supportsFeature(request: { getId(): string }, callback: Callback<{ getHassupport(): boolean }>) {
    // Without "outputValues" secrets arrive as plain markers; transforms and hooks would need a callback server.
    const unsupported = ["outputValues", "transforms", "invokeTransforms", "resourceHooks", "errorHooks"];
    const supported = !unsupported.includes(request.getId());
    callback(null, { getHassupport: () => supported });
  }

  registerPackage(_request: unknown, callback: Callback<resource.RegisterPackageResponse>) {
    const response = new resource.RegisterPackageResponse();
    response.setRef("package");
    callback(null, response);
  }
}

function urnOf(parent: string, type: string, name: string): string {
  const parentType = parent === "" ? "" : (parent.split("::")[2] ?? "");
  const chain = parentType === "" || parentType === "pulumi:pulumi:Stack" ? type : `${parentType}$${type}`;
  return `urn:pulumi:${pulumi.getStack()}::${pulumi.getProject()}::${chain}::${name}`;
}

/** What a program did. */
export class World<T> {
  readonly #recorder: Recorder;

  constructor(
    recorder: Recorder,
    /** What the program returned. Outputs in it are settled: read them with `valueOf`. */
    readonly result: T,
  ) {
    this.#recorder = recorder;
  }

  /** Everything created but the stack itself, in the order of registration. */
  get resources(): Recorded[] {
    return this.#recorder.recorded.filter((r) => r.type !== "pulumi:pulumi:Stack");
  }

  get invoked(): Invoked[] {
    return this.#recorder.invoked;
  }

  /** The program's own outputs, and the paths among them that are secret. */
  get stackOutputs(): { values: Values; secrets: string[] } {
    const stack = this.#recorder.recorded.find((r) => r.type === "pulumi:pulumi:Stack");
    return { values: stack?.outputs ?? {}, secrets: this.#recorder.outputSecrets.get(stack?.urn ?? "") ?? [] };
  }

  /** Of one type, by name: the order of registration follows whichever input was known first. */
  all(type: string): Recorded[] {
    return this.resources.filter((r) => r.type === type).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The only resource of a type (and name); fails where there is none or more than one. */
  one(type: string, name?: string): Recorded {
    const found = this.all(type).filter((r) => name === undefined || r.name === name);
    const [only] = found;
    if (only === undefined || found.length > 1) {
      const wanted = name === undefined ? type : `${type} named ${name}`;
      const known = this.resources.map((r) => `${r.type} ${r.name}`).join("\n  ");
      throw new Error(`expected one ${wanted}, found ${found.length} among\n  ${known}`);
    }
    return only;
  }

  /** The id that the cloud gave a resource. */
  idOf(type: string, name?: string): string {
    return String(this.one(type, name).computed.id);
  }

  /** The ARN that the cloud gave a resource. */
  arnOf(type: string, name?: string): string {
    return String(this.one(type, name).computed.arn);
  }

  /** `[type, name]` of everything created, sorted: for asserting that there is exactly this and nothing else. */
  get census(): string[] {
    return this.resources.map((r) => `${r.type} ${r.name}`).sort();
  }

  /** Where the text of a secret stands in an input that is not marked secret; each as "type name: path". */
  get secretsInPlain(): string[] {
    return this.#recorder.recorded.flatMap((r) => [
      ...leaks(r.inputs, r.secrets, this.#recorder.secretTexts).map((path) => `${r.type} ${r.name}: ${path}`),
      ...leaks(r.outputs ?? {}, this.#recorder.outputSecrets.get(r.urn) ?? [], this.#recorder.secretTexts).map(
        (path) => `${r.type} ${r.name}: output ${path}`,
      ),
    ]);
  }

  /** Throws where a secret's text stands unmarked anywhere, and where the program made no secret to look for. */
  expectNothingSecretInPlain(): void {
    if (this.#recorder.secretTexts.size === 0) throw new Error("the program made no secret: this check proves nothing");
    if (this.secretsInPlain.length > 0)
      throw new Error(`secrets in plain text:\n  ${this.secretsInPlain.join("\n  ")}`);
  }
}

/** Base64 hides a password from a plain search: Kubernetes `data` is searched decoded as well. */
function holds(text: string, secret: string): boolean {
  return text.includes(secret) || Buffer.from(text, "base64").toString("utf8").includes(secret);
}

function leaks(value: unknown, marked: string[], texts: Set<string>, path = ""): string[] {
  if (marked.includes(path)) return [];
  if (typeof value === "string") return [...texts].some((secret) => holds(value, secret)) ? [path] : [];
  if (Array.isArray(value)) return value.flatMap((item, index) => leaks(item, marked, texts, `${path}[${index}]`));
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    leaks(inner, marked, texts, path === "" ? key : `${path}.${key}`),
  );
}

/** Runs a program as the Pulumi host would, waits until everything is registered, rejects with its first error. */
export async function record<T>(program: () => T | Promise<T>, options: Options = {}): Promise<World<T>> {
  const recorder = new Recorder(options);
  pulumi.runtime.setAllConfig(options.config ?? {});
  pulumi.runtime.setMockOptions(
    recorder,
    options.project ?? "authensor-database",
    options.stack ?? "test",
    options.preview,
  );

  // What goes wrong in an apply or a registration surfaces as an unhandled rejection, which no test could expect.
  const errors: unknown[] = [];
  const collect = (error: unknown) => errors.push(error);
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", collect);
  let result: T | undefined;
  try {
    await pulumi.runtime.runInPulumiStack(async () => {
      result = await program();
      return result as Values;
    });
    await pulumi.runtime.disconnect();
  } catch (error) {
    errors.unshift(error);
  } finally {
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener("unhandledRejection", collect);
    for (const listener of others) process.on("unhandledRejection", listener);
  }
  if (errors.length > 0) throw errors[0];
  return new World(recorder, result as T);
}

/** The value of an output of something in `World.result`. */
export function valueOf<T>(output: pulumi.Input<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((resolve) => {
    pulumi.output(output).apply(resolve);
  });
}
