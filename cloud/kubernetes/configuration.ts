/** ConfigMaps and Secrets: checked, stored, looked up by the pods that name them. */
import { z } from "zod";
import type { Context, Handler, Properties } from "../handler";
import { admitObject, digest, findObject, identify, stored, token, type Cluster } from "./objects";
import { metadataSchema } from "./podSpec";
import { admit } from "./spec";

/** What one object may hold: etcd's limit, which the API server enforces on data. */
const mebibyte = 1_048_576;

const keyed = <T extends z.ZodType>(value: T) =>
  z.record(z.string().regex(/^[-._a-zA-Z0-9]{1,253}$/, "a key: letters, digits, '-', '_' and '.'"), value).nullish();
const base64 = z.base64({ error: "illegal base64 data" });
const common = { metadata: metadataSchema.nullish(), immutable: z.boolean().nullish() };

const configMapSchema = z.looseObject({ ...common, data: keyed(z.string()), binaryData: keyed(base64) });
const secretSchema = z
  .looseObject({ ...common, type: z.string().nullish(), data: keyed(base64), stringData: keyed(z.string()) })
  .superRefine((secret, issues) => {
    if (secret.type !== "kubernetes.io/tls") return;
    for (const key of ["tls.crt", "tls.key"])
      if (secret.data?.[key] === undefined && secret.stringData?.[key] === undefined)
        issues.addIssue(`data[${key}]: Required value`);
  });

// The provider replaces them on any change of data unless told that they are mutable, and so are they here.
const replaceOnChange = [
  "metadata.name",
  "metadata.namespace",
  "immutable",
  "type",
  "data",
  "binaryData",
  "stringData",
];

export const configMapHandler = configurationHandler("ConfigMap", (name, inputs) => {
  const checked = admit("ConfigMap", name, configMapSchema, inputs);
  refuseLarge("ConfigMap", name, [
    ...Object.values(checked.data ?? {}).map((text) => Buffer.byteLength(text)),
    ...Object.values(checked.binaryData ?? {}).map((text) => Buffer.from(text, "base64").length),
  ]);
  return inputs;
});

export const secretHandler = configurationHandler("Secret", (name, inputs) => {
  const checked = admit("Secret", name, secretSchema, inputs);
  const fromText = Object.entries(checked.stringData ?? {}).map(([key, text]) => [key, encode(text)] as const);
  const data: Record<string, string> = { ...checked.data, ...Object.fromEntries(fromText) };
  refuseLarge(
    "Secret",
    name,
    Object.values(data).map((text) => Buffer.from(text, "base64").length),
  );
  return { ...inputs, type: checked.type ?? "Opaque", data };
});

function configurationHandler(kind: string, check: (name: string, inputs: Properties) => Properties): Handler {
  const outputsOf = (inputs: Properties, context: Context, current?: Parameters<typeof stored>[3]) => {
    const identity = identify(current?.outputs ?? inputs, context);
    const checked = check(identity.name, inputs);
    if (!current) admitObject(identity, context);
    return { id: identity.id, outputs: stored(checked, identity, context.directory, current) };
  };
  return {
    replaceOnChange,
    // async: a refusal is a rejected promise, like that of every other handler
    // eslint-disable-next-line @typescript-eslint/require-await
    create: async (inputs, context) => outputsOf(inputs, context),
    update(current, inputs, context) {
      const changed = replaceOnChange.some((key) => !key.includes(".") && !same(current.inputs[key], inputs[key]));
      if (current.inputs["immutable"] === true && changed)
        return Promise.reject(
          new Error(`${kind} ${current.id}: data: Forbidden: field is immutable when \`immutable\` is set`),
        );
      return Promise.resolve(outputsOf(inputs, context, current).outputs);
    },
    status: (current) => {
      const keys = Object.keys({
        ...(current.outputs["data"] as object),
        ...(current.outputs["binaryData"] as object),
      });
      return Promise.resolve({ healthy: true, text: `${keys.length} ${keys.length === 1 ? "key" : "keys"}` });
    },
  };
}

const encode = (text: string) => Buffer.from(text).toString("base64");
const same = (a: unknown, b: unknown) => digest(a) === digest(b); // in whatever order their keys are

function refuseLarge(kind: string, name: string, sizes: readonly number[]): void {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > mebibyte)
    throw new Error(`${kind} "${name}" is invalid: data: Too long: may not be more than 1048576 bytes, has ${total}`);
}

export interface Reference {
  kind: "ConfigMap" | "Secret";
  namespace: string;
  name: string;
  optional?: boolean | undefined;
}

/** Every key of a ConfigMap or Secret; undefined for an optional one that is not there. */
export function configuration(cluster: Cluster, reference: Reference): Map<string, Buffer> | undefined {
  const { kind, namespace, name } = reference;
  const object = findObject(cluster, kind === "Secret" ? token.secret : token.configMap, namespace, name);
  if (!object) {
    if (reference.optional) return undefined;
    const elsewhere = cluster
      .resources(kind === "Secret" ? token.secret : token.configMap)
      .find((other) => other.id.endsWith(`/${name}`));
    const hint = elsewhere ? ` in namespace ${namespace} (there is ${elsewhere.id})` : "";
    throw new Error(`CreateContainerConfigError: ${kind.toLowerCase()} "${name}" not found${hint}`);
  }
  const data = Object.entries((object.outputs["data"] ?? {}) as Record<string, string>);
  const binary = Object.entries((object.outputs["binaryData"] ?? {}) as Record<string, string>);
  return new Map([
    ...data.map(([key, text]) => [key, Buffer.from(text, kind === "Secret" ? "base64" : "utf8")] as const),
    ...binary.map(([key, text]) => [key, Buffer.from(text, "base64")] as const),
  ]);
}

/** One key's value; undefined where the reference is optional and it is not there. */
export function configurationKey(cluster: Cluster, reference: Reference & { key: string }): Buffer | undefined {
  const value = configuration(cluster, reference)?.get(reference.key);
  if (value !== undefined || reference.optional) return value;
  const where = `${reference.kind} ${reference.namespace}/${reference.name}`;
  throw new Error(`CreateContainerConfigError: couldn't find key ${reference.key} in ${where}`);
}
