/** What is written down of a pod: enough for a later command to probe it, to end it, and to tell whether it is still wanted. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Launched } from "./container";
import type { PodIdentity } from "./environment";
import { digest, findObject, token, type Cluster } from "./objects";
import type { PodTemplate } from "./podSpec";
import type { PodEntry } from "./registry";

export interface PodRecord extends PodIdentity {
  template: PodTemplate;
  /** Ports are remembered by slot, so that the next pod of a slot takes over its predecessor's. */
  slot: number;
  /** Container port → port on this machine. */
  ports: Record<string, number>;
  launched: Record<string, Launched>;
  ready: boolean;
}

/** A pod that is yet to be started. Refuses a service account that does not exist, as the API server does. */
export function newRecord(
  template: PodTemplate,
  owner: { name: string; namespace: string },
  slot: number,
  cluster: Cluster,
): PodRecord {
  const hash = digest(template);
  const account = template.spec.serviceAccountName ?? "default";
  if (account !== "default" && !findObject(cluster, token.serviceAccount, owner.namespace, account))
    throw new Error(`pods are forbidden: serviceaccount "${account}" not found in namespace ${owner.namespace}`);
  return {
    name: `${owner.name}-${hash}-${randomBytes(3).toString("hex").slice(0, 5)}`,
    namespace: owner.namespace,
    uid: randomUUID(),
    labels: { ...template.metadata?.labels, "pod-template-hash": hash },
    annotations: template.metadata?.annotations ?? {},
    serviceAccountName: account,
    template,
    slot,
    ports: {},
    launched: {},
    ready: false,
  };
}

/** What services see of it: its ports by number and by name. */
export function entryOf({ name, labels, ready, ports, template }: PodRecord): PodEntry {
  const named = template.spec.containers
    .flatMap((container) => container.ports ?? [])
    .flatMap(({ name: portName, containerPort }) => {
      const local = ports[containerPort];
      return portName === undefined || local === undefined ? [] : [[portName, local] as const];
    });
  return { name, labels, ready, ports: { ...ports, ...Object.fromEntries(named) } };
}
