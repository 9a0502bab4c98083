/** How pods and services find one another: each writes what others need into its namespace's directory. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeDirectory, writeWhole } from "../host/files";
import { directoryOf, namespaceDirectory, requireNamespace, token, type Cluster } from "./objects";
import { localAddress, type ServiceAddress } from "./translate";

/** A pod as services see it: the forwarders (proxy.ts) read these files too. */
export interface PodEntry {
  name: string;
  labels: Readonly<Record<string, string>>;
  ready: boolean;
  /** From container port, by number and by name, to the port on this machine. */
  ports: Readonly<Record<string, number>>;
}

export function publishPod(cluster: Cluster, namespace: string, pod: PodEntry): void {
  publish(join(requireNamespace(namespace, cluster), "pods", `${pod.name}.json`), pod);
}

export const withdrawPod = (cluster: Cluster, namespace: string, name: string) =>
  withdraw(cluster, namespace, join("pods", `${name}.json`));

export const publishedPods = (cluster: Cluster, namespace: string) =>
  readAll<PodEntry>(podsDirectory(cluster, namespace));

export const podsDirectory = (cluster: Cluster, namespace: string) =>
  join(requireNamespace(namespace, cluster), "pods");

export const matches = (labels: Readonly<Record<string, string>>, selector: Readonly<Record<string, string>>) =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);

export function publishService(cluster: Cluster, service: ServiceAddress | HeadlessService): void {
  publish(join(requireNamespace(service.namespace, cluster), "services", `${service.name}.json`), service);
}

export const withdrawService = (cluster: Cluster, namespace: string, name: string) =>
  withdraw(cluster, namespace, join("services", `${name}.json`));

/** Also where the namespace has gone before what was in it. */
function withdraw(cluster: Cluster, namespace: string, file: string): void {
  const directory = namespaceDirectory(namespace, cluster);
  if (directory !== undefined) rmSync(join(directory, file), { force: true });
}

/** A headless service as it is written down: its pods are looked up when its address is asked for. */
export interface HeadlessService {
  name: string;
  namespace: string;
  selector: Readonly<Record<string, string>>;
  /** From the service's port to the pods', by number or name. */
  targets: Readonly<Record<string, string>>;
}

/** Every service of every namespace, with the ports that stand for its own: for `translateServices`. */
export function serviceAddresses(cluster: Cluster): ServiceAddress[] {
  return cluster.resources(token.namespace).flatMap((namespace) => {
    const directory = directoryOf(namespace);
    if (directory === undefined) return [];
    const pods = readAll<PodEntry>(join(directory, "pods")).filter(({ ready }) => ready);
    return readAll<ServiceAddress | HeadlessService>(join(directory, "services")).map((service) =>
      "targets" in service ? withPods(service, pods) : service,
    );
  });
}

function withPods({ name, namespace, selector, targets }: HeadlessService, pods: readonly PodEntry[]): ServiceAddress {
  const selected = pods.filter(({ labels }) => matches(labels, selector));
  const portsOf = (target: string) => selected.flatMap(({ ports }) => ports[target] ?? []).sort((a, b) => a - b);
  const lists = Object.entries(targets).map(([port, target]) => [port, portsOf(target)] as const);
  return { name, namespace, ports: {}, pods: Object.fromEntries(lists) };
}

/** What stands for a service's port now; the key is `serviceKey`'s. */
export const serviceText = (services: readonly ServiceAddress[], key: string): string | undefined => {
  const [, namespace, name, port = ""] = /^(.*)\/(.*):(.*)$/.exec(key) ?? [];
  const service = services.find((known) => known.namespace === namespace && known.name === name);
  return service && localAddress(service, port);
};
export const serviceKey = (service: ServiceAddress, port: string) => `${service.namespace}/${service.name}:${port}`;

function readAll<T>(directory: string): T[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(directory, name), "utf8")) as T];
    } catch {
      return []; // withdrawn between the two reads
    }
  });
}

/** For every reader in the namespace, whoever it runs as. */
function publish(path: string, content: PodEntry | ServiceAddress | HeadlessService): void {
  makeDirectory(dirname(path));
  writeWhole(path, JSON.stringify(content), { mode: 0o644 });
}
