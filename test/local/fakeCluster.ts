/** The Kubernetes handlers alone, with the least that stands for an engine: state in memory, directories of its own. */
import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context, Properties, Resource } from "../../cloud/handler";
import { handlers } from "../../cloud/kubernetes";
import { token } from "../../cloud/kubernetes/objects";
import { ownDirectory } from "../../cloud/host/files";
import { findServiceUser } from "../../cloud/host/user";
import { freePort, stillOurs } from "../../cloud/host/ports";
import { stopAll } from "../../cloud/host/process";
import { substitutes } from "../../local/substitutes";

export type Kind = keyof typeof token | (string & {});
const typeOf = (kind: Kind) => (token as Record<string, string>)[kind] ?? kind;

export const namespace = "testing";

export class FakeCluster {
  readonly root: string;
  readonly serviceUser = findServiceUser();
  readonly logged: string[] = [];
  readonly abort = new AbortController();
  private readonly live = new Map<string, Resource>();
  private readonly contexts = new Map<string, Context>();

  constructor(name: string) {
    this.root = mkdtempSync(join(tmpdir(), name));
    chmodSync(this.root, 0o755);
  }

  /** With the namespace that every test's objects lie in. */
  static async start(name = "kubernetes-"): Promise<FakeCluster> {
    const cluster = new FakeCluster(name);
    await cluster.create("namespace", "ns", { metadata: { name: namespace } });
    return cluster;
  }

  /** Metadata gets the namespace, and the Pulumi name as its own where there is none. */
  async create(kind: Kind, name: string, inputs: Properties): Promise<Resource> {
    const type = typeOf(kind);
    const given = { ...inputs, metadata: { name, namespace, ...(inputs["metadata"] as object) } };
    const context = this.context(type, name);
    const created = await this.handler(type).create(given, context);
    const resource = { urn: context.urn, type, name, inputs: given, dependencies: [], ...created };
    this.live.set(context.urn, resource);
    return resource;
  }

  async update(current: Resource, inputs: Properties): Promise<Resource> {
    const given = {
      ...inputs,
      metadata: { ...(current.inputs["metadata"] as object), ...(inputs["metadata"] as object) },
    };
    const outputs = await this.handler(current.type).update?.(current, given, this.of(current));
    const resource = { ...current, inputs: given, outputs: outputs ?? {} };
    this.live.set(current.urn, resource);
    return resource;
  }

  async heal(current: Resource): Promise<string | undefined> {
    const healed = await this.handler(current.type).heal?.(current, this.of(current));
    if (healed?.outputs) this.live.set(current.urn, { ...current, outputs: healed.outputs });
    return healed?.did;
  }

  /** In the engine's order: nobody sees it any more, then it ends, then its directory goes. */
  async delete(current: Resource): Promise<void> {
    const context = this.of(current);
    this.live.delete(current.urn);
    await this.handler(current.type).delete?.(current, context);
    await stopAll(context.directory);
    rmSync(context.directory, { recursive: true, force: true });
    this.contexts.delete(current.urn);
  }

  stop = async (current: Resource) => this.handler(current.type).stop?.(current, this.of(current));
  status = async (current: Resource) => this.handler(current.type).status?.(current, this.of(current));
  of = (current: Resource): Context => this.context(current.type, current.name);
  contextOf = (kind: Kind, name: string): Context => this.context(typeOf(kind), name);
  resources = (type: string) => [...this.live.values()].filter((resource) => resource.type === type);

  async end(): Promise<void> {
    await stopAll(this.root, { graceMs: 0 });
    for (const context of this.contexts.values()) await stopAll(context.directory, { graceMs: 0 });
    for (const name of readdirSync("/tmp").filter((entry) => entry.startsWith("local-cloud-"))) {
      const link = join("/tmp", name);
      if (lstatSync(link).isSymbolicLink() && readlinkSync(link) === this.root) rmSync(link);
    }
    rmSync(this.root, { recursive: true, force: true });
  }

  private handler(type: string) {
    const handler = handlers[type];
    if (!handler) throw new Error(`no handler of ${type}`);
    return handler;
  }

  private context(type: string, name: string): Context {
    const urn = `urn:${type}::${name}`;
    const known = this.contexts.get(urn);
    if (known) return known;
    const physicalName = `${name}-${randomBytes(4).toString("hex").slice(0, 7)}`;
    const directory = join(this.root, physicalName);
    mkdirSync(directory, { mode: 0o700 });
    ownDirectory(directory, this.serviceUser);
    const ports = new Map<string, number>();
    const context: Context = {
      urn,
      type,
      name,
      physicalName,
      directory,
      serviceUser: this.serviceUser,
      substitutes,
      signal: this.abort.signal,
      log: (line) => void this.logged.push(line),
      resources: (wanted) => this.resources(wanted),
      port: async (key) => {
        const remembered = ports.get(key);
        if (remembered !== undefined && (await stillOurs(remembered, directory))) return remembered;
        const port = await freePort();
        ports.set(key, port);
        return port;
      },
    };
    this.contexts.set(urn, context);
    return context;
  }
}

/** A pod template around one container that runs a program of a ConfigMap named "programs". */
export function template(labels: Record<string, string>, container: Properties, spec: Properties = {}): Properties {
  return {
    metadata: { labels },
    spec: {
      containers: [
        {
          name: "main",
          image: "docker.io/library/node:22-alpine",
          volumeMounts: [{ name: "programs", mountPath: "/app" }],
          ...container,
        },
      ],
      volumes: [{ name: "programs", configMap: { name: "programs" } }],
      ...spec,
    },
  };
}

export const servicePortOf = (service: Resource): number =>
  (service.outputs["spec"] as { ports: { nodePort: number }[] }).ports[0]?.nodePort ?? 0;
