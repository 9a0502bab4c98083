/**
 * Kinds that shape a cluster rather than run in it: checked for what they refer to, and remembered. A NetworkPolicy
 * keeps nobody out on one machine, and an autoscaler has no load to scale by.
 */
import type { Context, Handler, Properties } from "../handler";
import { admitObject, findObject, identify, identifyGlobal, metadataOf, stored, token } from "./objects";

type Check = (spec: Properties, namespace: string, context: Context) => string | undefined;

interface Kind {
  /** Its status, for a person. */
  text: string;
  global?: boolean;
  check?: Check;
}

const disruptionBudget: Check = (spec) => {
  const given = ["minAvailable", "maxUnavailable"].filter((key) => spec[key] !== undefined && spec[key] !== null);
  if (given.length === 1) return undefined;
  return "spec: exactly one of minAvailable and maxUnavailable must be given";
};

const autoscaler: Check = (spec, namespace, context) => {
  const { kind, name } = (spec["scaleTargetRef"] ?? {}) as { kind?: string; name?: string };
  const least = spec["minReplicas"] ?? 1;
  if (typeof spec["maxReplicas"] !== "number" || typeof least !== "number" || spec["maxReplicas"] < least)
    return "spec.maxReplicas: must be greater than or equal to `minReplicas`";
  if (kind === "Deployment" && name !== undefined && findObject(context, token.deployment, namespace, name))
    return undefined;
  return `FailedGetScale: ${kind ?? "target"} "${name ?? ""}" not found in namespace ${namespace}`;
};

interface IngressPath {
  backend?: { service?: { name: string; port?: { number?: number } } };
}

/** A controller would answer 503 for a Service that is not there, and nobody would be told. */
const ingress: Check = (spec, namespace, context) => {
  const rules = (spec["rules"] ?? []) as { http?: { paths?: IngressPath[] } }[];
  for (const { backend } of rules.flatMap(({ http }) => http?.paths ?? [])) {
    const { name = "", port } = backend?.service ?? {};
    const service = findObject(context, token.service, namespace, name);
    if (service === undefined) return `spec.rules: service "${name}" not found in namespace ${namespace}`;
    const { ports = [] } = (service.outputs["spec"] ?? {}) as { ports?: { port: number }[] };
    if (port?.number !== undefined && !ports.some((known) => known.port === port.number))
      return `spec.rules: service "${name}" has no port ${port.number}`;
  }
  return undefined;
};

const kinds: Record<string, Kind> = {
  "kubernetes:policy/v1:PodDisruptionBudget": { text: "recorded: nothing evicts pods here", check: disruptionBudget },
  "kubernetes:autoscaling/v2:HorizontalPodAutoscaler": { text: "recorded: not scaled by load here", check: autoscaler },
  "kubernetes:networking.k8s.io/v1:Ingress": { text: "recorded: nothing leads in from outside here", check: ingress },
  "kubernetes:monitoring.coreos.com/v1:PodMonitor": { text: "recorded: no Prometheus operator here" },
  [token.serviceAccount]: { text: "recorded: pods have no token here" },
  "kubernetes:networking.k8s.io/v1:NetworkPolicy": { text: "recorded: not enforced on one machine" },
};

export const recordedHandlers: Record<string, Handler> = Object.fromEntries(
  Object.entries(kinds).map(([type, kind]) => [type, recorded(kind)]),
);

function recorded({ text, global, check }: Kind): Handler {
  const identityOf = (properties: Properties, context: Context) =>
    global ? identifyGlobal(properties, context) : identify(properties, context);
  const admitted = (inputs: Properties, context: Context) => {
    const { namespace = "default" } = metadataOf(inputs);
    const problem = check?.((inputs["spec"] ?? {}) as Properties, namespace, context);
    if (problem !== undefined) throw new Error(problem);
  };
  return {
    replaceOnChange: ["metadata.name", "metadata.namespace"],
    deleteBeforeReplace: (inputs) => metadataOf(inputs).name !== undefined,
    // eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
    async create(inputs, context) {
      const identity = identityOf(inputs, context);
      admitObject(identity, context);
      admitted(inputs, context);
      return { id: identity.id, outputs: stored(inputs, identity, context.directory) };
    },
    // eslint-disable-next-line @typescript-eslint/require-await
    async update(current, inputs, context) {
      admitted(inputs, context);
      return stored(inputs, identityOf(current.outputs, context), context.directory, current);
    },
    status: () => Promise.resolve({ healthy: true, text }),
  };
}
