/** A container's environment and command line as the kubelet puts them together, before translation. */
import { configuration, configurationKey } from "./configuration";
import type { Cluster } from "./objects";
import type { Container } from "./podSpec";
import { podAddress } from "./translate";

/** What a pod knows of itself: the fields that env and downward API volumes may ask for. */
export interface PodIdentity {
  name: string;
  namespace: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  serviceAccountName: string;
}

/** envFrom first, env over it, each value expanded with what was defined before it. */
export function environmentOf(container: Container, pod: PodIdentity, cluster: Cluster): Record<string, string> {
  const env: Record<string, string> = {};
  for (const source of container.envFrom ?? []) {
    for (const kind of ["Secret", "ConfigMap"] as const) {
      const reference = kind === "Secret" ? source.secretRef : source.configMapRef;
      if (!reference) continue;
      const keys = configuration(cluster, { kind, namespace: pod.namespace, ...reference }) ?? [];
      for (const [key, value] of keys) env[(source.prefix ?? "") + key] = value.toString();
    }
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const found = valueFrom ? valueOf(valueFrom, container, pod, cluster) : expand(value ?? "", env);
    if (found !== undefined) env[name] = found;
  }
  return env;
}

type ValueFrom = NonNullable<NonNullable<Container["env"]>[number]["valueFrom"]>;

function valueOf(from: ValueFrom, container: Container, pod: PodIdentity, cluster: Cluster): string | undefined {
  if (from.fieldRef) return fieldOf(from.fieldRef.fieldPath, pod);
  const reference = from.secretKeyRef ?? from.configMapKeyRef;
  if (!reference)
    throw new Error(
      `container ${container.name}: resourceFieldRef is not known on this machine, where no limit applies`,
    );
  const kind = from.secretKeyRef ? "Secret" : "ConfigMap";
  return configurationKey(cluster, { kind, namespace: pod.namespace, ...reference })?.toString();
}

export function fieldOf(path: string, pod: PodIdentity): string {
  const [, map, key] = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path) ?? [];
  if (map !== undefined && key !== undefined) return (map === "labels" ? pod.labels : pod.annotations)[key] ?? "";
  const fields: Record<string, string> = {
    "metadata.name": pod.name,
    "metadata.namespace": pod.namespace,
    "metadata.uid": pod.uid,
    "spec.serviceAccountName": pod.serviceAccountName,
    "spec.nodeName": "localhost",
    "status.podIP": podAddress,
    "status.podIPs": podAddress,
    "status.hostIP": podAddress,
  };
  const value = fields[path];
  if (value === undefined) throw new Error(`fieldRef.fieldPath: Unsupported value: "${path}"`);
  return value;
}

/** `$(NAME)` for a known name; `$$(NAME)` is its escape; an unknown one stays as it is. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)/g, (whole, name?: string) =>
    name === undefined ? "$" : (env[name] ?? whole),
  );
}
