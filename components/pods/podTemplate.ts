import type { types } from "@pulumi/kubernetes";
import type { Input } from "@pulumi/pulumi";

type Pod = types.input.core.v1.PodSpec;

/** A pod template whose parts can be read and changed: containers and volumes are lists, not outputs. */
export interface PodTemplate {
  metadata: { labels: Record<string, string>; annotations?: Record<string, Input<string>> };
  spec: Omit<Pod, "containers" | "volumes"> & {
    containers: types.input.core.v1.Container[];
    volumes: types.input.core.v1.Volume[];
  };
}

/** What a platform's clusters ask of every pod; each property that is given takes the place of this program's own. */
export interface PodOverrides {
  /** Labels that a node must have. */
  nodeSelector?: Record<string, string> | undefined;
  /** Taints of nodes that the pods may run on all the same. */
  tolerations?: types.input.core.v1.Toleration[] | undefined;
  /** An existing PriorityClass. */
  priorityClassName?: string | undefined;
  /** Secrets of the namespace that images are pulled with, by name. */
  imagePullSecrets?: string[] | undefined;
  /** Requests and limits of each container, both of them: no limit that is not named here stays. */
  resources?: { requests: Record<string, string>; limits?: Record<string, string> | undefined } | undefined;
}

/** How a component's pods may be made different from what it makes of them. */
export interface PodArgs {
  /** What a platform's clusters ask of the pods. */
  pod?: PodOverrides;
  /** Escape hatch, by what it is applied to. */
  transform?: {
    /**
     * The last word on the pod template, for what no argument covers: a sidecar, an annotation, another probe. It gets the finished
     * template and returns the one to use. Labels that are there must stay: Services and network policies select by them.
     */
    podTemplate?: (template: PodTemplate) => PodTemplate;
  };
}

/**
 * A name with two dots is asked for as it stands first. Kubernetes' own number is five: a Service's full name has four, and each new
 * connection would take ten queries, eight of them for names that do not exist, before the two (A and AAAA) that are answered.
 */
const dnsConfig = { options: [{ name: "ndots", value: "2" }] };

/** The template with the overrides in it, and after them the transform. */
export function podTemplate({ pod = {}, transform }: PodArgs, template: PodTemplate): PodTemplate {
  const { nodeSelector, tolerations, priorityClassName, imagePullSecrets, resources } = pod;
  const spec: PodTemplate["spec"] = {
    dnsConfig,
    ...template.spec,
    ...(nodeSelector && { nodeSelector }),
    ...(tolerations && { tolerations }),
    ...(priorityClassName !== undefined && { priorityClassName }),
    ...(imagePullSecrets && { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    ...(resources && { containers: template.spec.containers.map((container) => ({ ...container, resources })) }),
  };
  return transform?.podTemplate?.({ ...template, spec }) ?? { ...template, spec };
}
