/**
 * Pulumi's resource monitor, in process: the interface that its unit-test mocks use (@pulumi/pulumi/runtime/mocks.ts),
 * answered by an engine that makes real things. The program cannot tell it from the Pulumi command line.
 */
import { runtime } from "@pulumi/pulumi";
import * as provider from "@pulumi/pulumi/proto/provider_pb";
import * as resource from "@pulumi/pulumi/proto/resource_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import type { Registration } from "./registration";
import type { Context, Created, Invoke, Properties } from "../handler";
import { regionOf } from "../lostRegions";

export interface MonitorOptions {
  project: string;
  stack: string;
  register(registration: Registration): Promise<Created>;
  invokes: Record<string, Invoke>;
  /** What look-ups see. Default: nothing is there. */
  resources?: Context["resources"];
  /** Throws where the region answers nothing. */
  reach?(region: string | undefined): void;
}

type Callback<T> = (error: Error | null, response?: T) => void;
type Secrets = ReadonlySet<string>;

/** gRPC's CANCELLED: the SDK then neither reports the error nor settles what depends on it. */
const cancelled = 1;

/** What Pulumi's engine offers the SDK and this one does too. Without resource references a resource is sent as its id. */
const features = new Set(["secrets", "deletedWith", "replaceWith", "aliasSpecs", "parameterization"]);

export class Monitor {
  /** The first thing that went wrong; everything that comes after it is refused. */
  failure: Error | undefined;
  private fail: (error: Error) => void = () => undefined;
  readonly failed = new Promise<never>((_, reject) => (this.fail = reject));
  private readonly atWork = new Set<Promise<unknown>>();
  /** Inputs of providers, by what refers to them. */
  private readonly providers = new Map<string, Properties>();

  constructor(private readonly options: MonitorOptions) {
    this.failed.catch(() => undefined);
  }

  /** Makes this monitor the one that resources register with from now on. */
  install(): void {
    const { project, stack } = this.options;
    runtime.setMockOptions(this, project, stack, false, "local");
  }

  /** Returns when nothing is being worked on any more. */
  async idle(): Promise<void> {
    while (this.atWork.size > 0) await Promise.allSettled([...this.atWork]);
  }

  supportsFeature(request: resource.SupportsFeatureRequest, callback: Callback<{ getHassupport(): boolean }>): void {
    callback(null, { getHassupport: () => features.has(request.getId()) });
  }

  registerResource(
    request: resource.RegisterResourceRequest,
    callback: Callback<resource.RegisterResourceResponse>,
  ): void {
    this.answer(callback, async () => {
      const urn = this.urn(request.getParent(), request.getType(), request.getName());
      const response = new resource.RegisterResourceResponse();
      response.setUrn(urn);
      if (!request.getCustom()) {
        response.setObject(request.getObject());
        return response;
      }
      const { values, secrets } = withoutSecrets(request.getObject());
      const { id, outputs } = request.getType().startsWith("pulumi:providers:")
        ? this.provider(urn, request.getName(), values)
        : await this.options.register(
            registration(urn, values, request, regionOf(values, this.providers.get(request.getProvider()))),
          );
      response.setId(id);
      const hidden = new Set([...secrets, ...request.getAdditionalsecretoutputsList()]);
      response.setObject(await toStruct(outputs, hidden));
      return response;
    });
  }

  registerResourceOutputs(_request: resource.RegisterResourceOutputsRequest, callback: Callback<object>): void {
    callback(null, {});
  }

  invoke(request: resource.ResourceInvokeRequest, callback: Callback<provider.InvokeResponse>): void {
    this.answer(callback, async () => {
      const token = request.getTok();
      const invoke = this.options.invokes[token];
      if (!invoke) throw new Error(`${token}: the local cloud has no answer to this look-up; add one`);
      const response = new provider.InvokeResponse();
      const { values } = withoutSecrets(request.getArgs());
      this.options.reach?.(regionOf({ ...this.providers.get(request.getProvider()), ...values }, undefined));
      response.setReturn(await toStruct(await invoke(values, this.options.resources ?? (() => [])), new Set()));
      return response;
    });
  }

  readResource(request: resource.ReadResourceRequest, callback: Callback<resource.ReadResourceResponse>): void {
    this.answer(callback, () => {
      const what = `${request.getType()} ${request.getName()} (${request.getId()})`;
      return Promise.reject(new Error(`${what}: the local cloud cannot read resources that it did not make`));
    });
  }

  registerPackage(_request: unknown, callback: Callback<resource.RegisterPackageResponse>): void {
    const response = new resource.RegisterPackageResponse();
    response.setRef("local");
    callback(null, response);
  }

  signalAndWaitForShutdown(_request: unknown, callback: Callback<object>): void {
    callback(null, {});
  }

  private provider(urn: string, name: string, inputs: Properties): Created {
    const id = `${name}-provider`;
    this.providers.set(`${urn}::${id}`, inputs);
    return { id, outputs: {} };
  }

  private answer<T>(callback: Callback<T>, work: () => Promise<T>): void {
    const refuse = () => callback(Object.assign(new Error("an earlier step failed"), { code: cancelled }));
    if (this.failure) return refuse();
    const done = work().then(
      (response) => callback(null, response && quiet(response)),
      (error: Error) => {
        this.failure ??= error;
        this.fail(this.failure);
        refuse();
      },
    );
    this.atWork.add(done);
    void done.finally(() => this.atWork.delete(done));
  }

  /** As Pulumi's engine builds it: the types of the parents, except the stack's, lead to the type. */
  private urn(parent: string, type: string, name: string): string {
    const parentType = parent.split("::")[2];
    const qualified = parentType && parentType !== "pulumi:pulumi:Stack" ? `${parentType}$${type}` : type;
    return `urn:pulumi:${this.options.stack}::${this.options.project}::${qualified}::${name}`;
  }
}

/** The SDK puts each response into words for a log that nobody keeps: a program's whole text, for each that it registers. */
const quiet = <T>(response: T): T => Object.assign(response as object, { toString: () => "(a response)" }) as T;

function registration(
  urn: string,
  inputs: Properties,
  request: resource.RegisterResourceRequest,
  region: string | undefined,
): Registration {
  const byProperty = [...request.getPropertydependenciesMap().entries()].map(([, urns]) => urns.getUrnsList());
  const dependencies = new Set([...request.getDependenciesList(), ...byProperty.flat()]);
  if (request.getParent()) dependencies.add(request.getParent());
  return {
    urn,
    type: request.getType(),
    name: request.getName(),
    inputs,
    dependencies: [...dependencies],
    protect: request.getProtect() ?? false,
    retainOnDelete: request.getRetainondelete() ?? false,
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    ...(region !== undefined && { region }),
    ...(request.getDeletebeforereplacedefined() && { deleteBeforeReplace: request.getDeletebeforereplace() }),
  };
}

/**
 * Values that the SDK and this monitor tell each other. They are one process: no wire lies between them, for which each number and each
 * text would be made a message of its own, and read from it again.
 */
class Told extends Struct {
  constructor(private readonly values: ReturnType<Struct["toJavaScript"]>) {
    super();
  }

  override toJavaScript() {
    return this.values;
  }
}

/** Has the SDK tell values, until what it returns is called: whatever else in this process speaks over a wire would send nothing meanwhile. */
export function tellValues(): () => void {
  const messages = Reflect.get(Struct, "fromJavaScript") as unknown;
  Struct.fromJavaScript = (values) => new Told(values);
  return () => void Reflect.set(Struct, "fromJavaScript", messages);
}

/** Plain values, and the names of the properties that hold a secret anywhere within. */
function withoutSecrets(struct: Struct | undefined): { values: Properties; secrets: Secrets } {
  const secrets = new Set<string>();
  const values: Properties = {};
  for (const [key, value] of Object.entries(struct ? runtime.deserializeProperties(struct) : {})) {
    if (runtime.isRpcSecret(value)) secrets.add(key);
    values[key] = runtime.unwrapRpcSecret(value);
  }
  return { values, secrets };
}

async function toStruct(values: Properties, secrets: Secrets): Promise<Struct> {
  const plain: Properties = await runtime.serializeProperties("", values);
  const marked = Object.entries(plain).map(([key, value]): [string, unknown] => [
    key,
    secrets.has(key) ? { [runtime.specialSigKey]: runtime.specialSecretSig, value } : value,
  ]);
  return new Told(Object.fromEntries(marked) as ReturnType<Struct["toJavaScript"]>);
}
