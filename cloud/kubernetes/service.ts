import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { Context, Handler, Properties, Resource } from "../handler";
import { writeWhole } from "../host/files";
import { saysListening } from "../host/logs";
import { running } from "../host/pidFile";
import { start, stop } from "../host/process";
import { sleep, waitUntil } from "../host/wait";
import { bundled } from "./bundle";
import { userOf } from "./images";
import { admitObject, identify, metadataOf, stored, type Identity } from "./objects";
import type { ProxyConfiguration } from "./proxy";
import { open } from "./probes";
import { matches, podsDirectory, publishedPods, publishService, withdrawService } from "./registry";
import { admit, serviceSchema, type Service } from "./spec";
import { podAddress } from "./translate";

/** How long a Service waits for the first pod that it selects to be made, and then for one of them to be ready. */
const selectionSeconds = 120;
const readinessSeconds = 600;

/** A Service: a process that forwards connections to ready pods, and an address that pods are told. */
export const serviceHandler: Handler = {
  replaceOnChange: ["metadata.name", "metadata.namespace", "spec.type", "spec.clusterIP"],
  deleteBeforeReplace: (inputs) => metadataOf(inputs).name !== undefined,

  async create(inputs, context) {
    const identity = identify(inputs, context);
    const service = check(identity.name, inputs);
    admitObject(identity, context);
    const ports = await serve(service, identity, context);
    await untilSelected(service, identity, context);
    return { id: identity.id, outputs: outputsOf(inputs, identity, ports, context) };
  },

  async update(current, inputs, context) {
    const identity = identify(current.outputs, context);
    const service = check(identity.name, inputs);
    const ports = await serve(service, identity, context);
    await untilSelected(service, identity, context);
    return outputsOf(inputs, identity, ports, context, current);
  },

  async heal(current, context) {
    const identity = identify(current.outputs, context);
    const service = check(identity.name, current.inputs);
    const before = running(pidFile(context));
    const ports = await serve(service, identity, context);
    if (running(pidFile(context)) === before) return undefined;
    return { did: "restarted its forwarder", outputs: outputsOf(current.inputs, identity, ports, context, current) };
  },

  async stop(_current, context) {
    await stop(pidFile(context), { graceMs: 2000 });
  },

  async delete(current, context) {
    const identity = identify(current.outputs, context);
    withdrawService(context, identity.namespace, identity.name);
    await stop(pidFile(context), { graceMs: 2000 });
  },

  async status(current, context) {
    const identity = identify(current.outputs, context);
    const service = check(identity.name, current.inputs);
    const alive = headless(service) || running(pidFile(context)) !== undefined;
    const [first] = service.spec.ports;
    const targets = selected(service, identity, context).flatMap((pod) =>
      pod.ready && first ? (pod.ports[String(first.targetPort ?? first.port)] ?? []) : [],
    );
    const answers = await Promise.all(
      targets.map((port) =>
        open(port, 1000).then(
          () => 1,
          () => 0,
        ),
      ),
    );
    const ready = answers.reduce<number>((sum, one) => sum + one, 0);
    const where = localPorts(current).map((port) => `${podAddress}:${port}`);
    const text = [
      headless(service) ? "headless" : where.join(", "),
      `${ready} ready ${ready === 1 ? "pod" : "pods"}`,
      ...(alive ? [] : ["its forwarder does not run"]),
    ];
    return { healthy: alive && ready > 0, text: text.join(" · ") };
  },
};

const pidFile = (context: Context) => join(context.directory, "proxy.pid");

function check(name: string, inputs: Properties): Service {
  const service = admit("Service", name, serviceSchema, inputs);
  const type = service.spec.type ?? "ClusterIP";
  if (type === "ExternalName" || !service.spec.selector)
    throw new Error(`Service "${name}": ExternalName and selectorless Services lead nowhere on this machine`);
  return service;
}

/** A name for the pods themselves: nothing stands between them and their clients. */
const headless = ({ spec }: Service) => spec.clusterIP === "None";

/** Has the forwarder run with this configuration; returns the port that stands for each of the service's. */
async function serve(
  service: Service,
  identity: Identity & { namespace: string },
  context: Context,
  triesLeft = 2,
): Promise<Record<string, number>> {
  const ports: Record<string, number> = {};
  if (headless(service)) {
    const targets = service.spec.ports.map(({ port, targetPort }) => [port, String(targetPort ?? port)] as const);
    const selector = service.spec.selector ?? {};
    publishService(context, { ...nameOf(identity), selector, targets: Object.fromEntries(targets) });
    return ports;
  }
  for (const { port } of service.spec.ports) ports[port] = await context.port(`service/${port}`);
  const configuration: ProxyConfiguration = {
    podsDirectory: podsDirectory(context, identity.namespace),
    selector: service.spec.selector ?? {},
    ports: service.spec.ports.map(({ port, targetPort }) => ({
      listen: ports[port] ?? 0,
      target: String(targetPort ?? port),
    })),
  };
  const file = join(context.directory, "proxy.json");
  writeWhole(file, JSON.stringify(configuration), { mode: 0o644 });
  const alive = running(pidFile(context));
  try {
    if (alive === undefined) await startForwarder(file, identity, context);
    else process.kill(alive, "SIGHUP");
  } catch (error) {
    // Another process may have taken the port between the question and the answer: the next try asks for another.
    if (triesLeft === 0 || context.signal.aborted) throw error;
    return serve(service, identity, context, triesLeft - 1);
  }
  publishService(context, { ...nameOf(identity), ports });
  return ports;
}

const nameOf = ({ name, namespace }: Identity & { namespace: string }) => ({ name, namespace });

async function startForwarder(file: string, identity: Identity, context: Context): Promise<void> {
  const user = userOf(process.execPath, context);
  const name = `forwarder of service ${identity.name}`;
  const files = { pidFile: pidFile(context), logFile: join(context.directory, "proxy.log") };
  if (existsSync(files.logFile)) renameSync(files.logFile, `${files.logFile}.before`); // it may say why the last one ended
  const program = await bundled(join(__dirname, "proxy.ts"), join(context.directory, "proxy.js"));
  await start({ name, command: process.execPath, args: [program, file], ...files, ...(user && { user }) });
  const listening = () => saysListening(files.logFile);
  await waitUntil(name, listening, { ...files, timeoutMs: 10_000, everyMs: 15, signal: context.signal });
}

const selected = (service: Service, identity: Identity & { namespace: string }, context: Context) =>
  publishedPods(context, identity.namespace).filter((pod) => matches(pod.labels, service.spec.selector ?? {}));

/** As Pulumi awaits a Service: it is made once it leads to a pod. */
async function untilSelected(
  service: Service,
  identity: Identity & { namespace: string },
  context: Context,
): Promise<void> {
  const annotations = metadataOf(service).annotations ?? {};
  if (annotations["pulumi.com/skipAwait"] === "true") return;
  const patience = Number(annotations["pulumi.com/timeoutSeconds"] ?? readinessSeconds);
  const selector = Object.entries(service.spec.selector ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const began = Date.now();
  for (;;) {
    const pods = selected(service, identity, context);
    const ready = pods.filter((pod) => pod.ready);
    const missing = service.spec.ports.find(({ port, targetPort }) =>
      ready.every((pod) => pod.ports[String(targetPort ?? port)] === undefined),
    );
    if (ready.length > 0) {
      if (!missing) return;
      const has = [...new Set(ready.flatMap((pod) => Object.keys(pod.ports)))].join(", ");
      throw new Error(
        `Service targets port ${missing.targetPort ?? missing.port}, which the pods it selects do not declare (they have: ${has || "none"})`,
      );
    }
    const waited = (Date.now() - began) / 1000;
    if (waited > Math.min(patience, pods.length > 0 ? readinessSeconds : selectionSeconds))
      throw new Error(
        `Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match labels on any Pods (${selector}: ${pods.length} pods)`,
      );
    await sleep(50, context.signal);
  }
}

const localPorts = (current: Resource) =>
  ((current.outputs["spec"] as { ports?: { nodePort?: number }[] } | undefined)?.ports ?? []).flatMap(
    ({ nodePort }) => nodePort ?? [],
  );

/** The node is this machine: its port that leads to the service is the forwarder's. */
function outputsOf(
  inputs: Properties,
  identity: Identity,
  ports: Record<string, number>,
  context: Context,
  before?: Resource,
): Properties {
  const spec = inputs["spec"] as { ports: { port: number }[]; clusterIP?: string };
  return {
    ...stored(inputs, identity, context.directory, before),
    spec: {
      type: "ClusterIP",
      ...spec,
      clusterIP: spec.clusterIP === "None" ? "None" : podAddress,
      ports: spec.ports.map((port) => ({ ...port, nodePort: ports[port.port] })),
    },
    status: { loadBalancer: {} },
  };
}
