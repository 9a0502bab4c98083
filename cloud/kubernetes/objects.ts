/** What an API server does with every object: name it, find its namespace, refuse a duplicate, add what it alone knows. */
import { createHash, randomUUID } from "node:crypto";
import { unknownValue, type Context, type Properties, type Resource } from "../handler";
import type { Metadata } from "./podSpec";

export const token = {
  namespace: "kubernetes:core/v1:Namespace",
  configMap: "kubernetes:core/v1:ConfigMap",
  secret: "kubernetes:core/v1:Secret",
  service: "kubernetes:core/v1:Service",
  serviceAccount: "kubernetes:core/v1:ServiceAccount",
  deployment: "kubernetes:apps/v1:Deployment",
  job: "kubernetes:batch/v1:Job",
  cronJob: "kubernetes:batch/v1:CronJob",
} as const;

/** Where a handler keeps what belongs to an object on this machine; written by controllers, as annotations are. */
const directoryAnnotation = "local-cloud/directory";

/** The look-ups that need no more than the resources that exist: what tests and outputs have too. */
export type Cluster = Pick<Context, "resources">;

export interface Identity {
  name: string;
  /** Undefined for kinds that lie outside namespaces. */
  namespace: string | undefined;
  id: string;
}

/** The object's name, as Pulumi's Kubernetes provider chooses it where the program gives none, and its namespace. */
export function identify(inputs: Properties, context: Pick<Context, "physicalName">): Identity & { namespace: string } {
  const metadata = metadataOf(inputs);
  const name = metadata.name ?? context.physicalName;
  const namespace = metadata.namespace ?? "default";
  return { name, namespace, id: `${namespace}/${name}` };
}

export function identifyGlobal(inputs: Properties, context: Pick<Context, "physicalName">): Identity {
  const name = metadataOf(inputs).name ?? context.physicalName;
  return { name, namespace: undefined, id: name };
}

/** Refuses what an API server refuses whatever the kind: a namespace that is not there, a name that is taken. */
export function admitObject(identity: Identity, context: Context): void {
  const { name, namespace } = identity;
  if (namespace !== undefined) requireNamespace(namespace, context);
  const taken = context
    .resources(context.type)
    .some((other) => other.urn !== context.urn && nameOf(other) === name && namespaceOf(other) === namespace);
  if (taken) throw new Error(`${context.type.split(":").at(-1)} "${name}" already exists in namespace ${namespace}`);
}

/** The inputs with what the server adds. An update keeps what the first version was given. */
export function stored(inputs: Properties, identity: Identity, directory: string, before?: Resource): Properties {
  const given = metadataOf(inputs);
  const old = before && metadataOf(before.outputs);
  const generation = typeof old?.["generation"] === "number" ? old["generation"] + 1 : 1;
  return {
    ...inputs,
    metadata: {
      ...given,
      name: identity.name,
      ...(identity.namespace !== undefined && { namespace: identity.namespace }),
      annotations: {
        ...given.annotations,
        ...(given.name === undefined && { "pulumi.com/autonamed": "true" }),
        [directoryAnnotation]: directory,
      },
      uid: old?.["uid"] ?? randomUUID(),
      creationTimestamp: old?.["creationTimestamp"] ?? new Date().toISOString(),
      generation,
      resourceVersion: digest(inputs),
    },
  };
}

/** What a preview knows of an object: its name only where the program gives one, or where it has one already. */
export function planned(inputs: Properties, current: Resource | undefined): Properties {
  const metadata = { ...(current && metadataOf(current.outputs)), ...metadataOf(inputs) };
  return { ...current?.outputs, ...inputs, metadata: { ...metadata, name: metadata.name ?? unknownValue } };
}

/** The namespace's own directory: where its pods and services announce themselves to one another. */
export function requireNamespace(name: string, cluster: Cluster): string {
  const directory = namespaceDirectory(name, cluster);
  if (directory !== undefined) return directory;
  throw new Error(`namespaces "${name}" not found: on this machine it exists once a Namespace makes it`);
}

export function namespaceDirectory(name: string, cluster: Cluster): string | undefined {
  const namespace = cluster.resources(token.namespace).find((resource) => nameOf(resource) === name);
  return namespace && directoryOf(namespace);
}

export const directoryOf = (resource: Resource) => metadataOf(resource.outputs).annotations?.[directoryAnnotation];

export function findObject(cluster: Cluster, type: string, namespace: string, name: string): Resource | undefined {
  return cluster.resources(type).find((other) => nameOf(other) === name && namespaceOf(other) === namespace);
}

export const metadataOf = (properties: Properties): Metadata => (properties["metadata"] ?? {}) as Metadata;
const nameOf = (resource: Resource) => metadataOf(resource.outputs).name;
const namespaceOf = (resource: Resource) => metadataOf(resource.outputs).namespace;

/** Short, stable and independent of the order of keys: tells whether two values are the same. */
export function digest(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex").slice(0, 10);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined && inner !== null);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`)
    .join()}}`;
}
