/** Pods, and what they are given. */
import { listOf } from "./resources";
import type { Properties, Rule } from "./rule";

const apps = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"].map((kind) => `kubernetes:apps/v1:${kind}`);
const configMap = "kubernetes:core/v1:ConfigMap";

/** Where the pod is described, by the type of resource that makes it. */
const podOf: Record<string, (props: Properties) => Properties> = {
  "kubernetes:core/v1:Pod": ({ spec }) => spec as Properties,
  "kubernetes:batch/v1:CronJob": ({ spec }) => spec.jobTemplate.spec.template.spec as Properties,
  ...Object.fromEntries(
    [...apps, "kubernetes:batch/v1:Job"].map((type) => [
      type,
      ({ spec }: Properties) => spec.template.spec as Properties,
    ]),
  ),
};

/** Judges every pod, whatever makes it. */
const everyPod = (judge: (pod: Properties) => string[]) =>
  Object.fromEntries(
    Object.entries(podOf).map(([type, podIn]) => [
      type,
      (props: Properties) => judge(podIn(props)).join("; ") || undefined,
    ]),
  );

const containersOf = (pod: Properties) =>
  [pod.initContainers, pod.containers, pod.ephemeralContainers].flatMap((list) => listOf(list as Properties));

/** Beside its name a volume has one key: where it comes from. */
const volumeSources = "configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret".split(" ");
const safeSysctls = `kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_unprivileged_port_start
net.ipv4.tcp_syncookies net.ipv4.ping_group_range net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time
net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem net.ipv4.tcp_wmem`.split(
  /\s/,
);

const seLinuxTypes = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/** Whether it is labelled for SELinux as something else than a container: spc_t is confined by nothing. */
const choosesLabel = ({ seLinuxOptions }: Properties) => {
  const { user, role, type } = (seLinuxOptions ?? {}) as Properties;
  return Boolean(user) || Boolean(role) || (Boolean(type) && !seLinuxTypes.includes(type as string));
};

/** Whether the node asks another host than the pod, for a probe or a hook of it. */
const asksElsewhere = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Properties) =>
  [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].some(
    (asked?: Properties) => asked?.httpGet?.host || asked?.tcpSocket?.host,
  );

/** The Pod Security Standard "restricted", https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
function unrestricted(pod: Properties): string[] {
  const wrong: string[] = ["hostNetwork", "hostPID", "hostIPC"].filter((key) => pod[key] === true);
  const ofPod = (pod.securityContext ?? {}) as Properties;
  for (const volume of listOf(pod.volumes as Properties))
    for (const source of Object.keys(volume as Properties).filter(
      (key) => key !== "name" && !volumeSources.includes(key),
    ))
      wrong.push(`volume ${volume.name}: ${source}`);
  for (const { name } of listOf(ofPod.sysctls as Properties))
    if (!safeSysctls.includes(name as string)) wrong.push(`sysctl ${name}`);
  for (const container of containersOf(pod)) {
    const own = (container.securityContext ?? {}) as Properties;
    const capabilities = (own.capabilities ?? {}) as Properties;
    const checks: Record<string, boolean> = {
      "runAsNonRoot is not true": (own.runAsNonRoot ?? ofPod.runAsNonRoot) === true,
      "runAsUser is 0": (own.runAsUser ?? ofPod.runAsUser) !== 0,
      "allowPrivilegeEscalation is not false": own.allowPrivilegeEscalation === false,
      "privileged is true": own.privileged !== true,
      "capabilities do not drop ALL": listOf(capabilities.drop as string).includes("ALL"),
      "capabilities add more than NET_BIND_SERVICE": listOf(capabilities.add as string).every(
        (added) => added === "NET_BIND_SERVICE",
      ),
      "seccompProfile is neither RuntimeDefault nor Localhost": ["RuntimeDefault", "Localhost"].includes(
        String((own.seccompProfile ?? ofPod.seccompProfile)?.type),
      ),
      "procMount is not Default": (own.procMount ?? "Default") === "Default",
      "SELinux has it run as something else than a container": ![ofPod, own].some(choosesLabel),
      "hostProcess is true": ![ofPod, own].some(({ windowsOptions }) => windowsOptions?.hostProcess === true),
      "a probe or a hook names a host": !asksElsewhere(container as Properties),
      "AppArmor is off": (own.appArmorProfile ?? ofPod.appArmorProfile)?.type !== "Unconfined",
      "a hostPort is used": listOf(container.ports as Properties).every(({ hostPort }) => !hostPort),
    };
    const failed = Object.keys(checks).filter((check) => !checks[check]);
    if (failed.length > 0) wrong.push(`container ${container.name}: ${failed.join(", ")}`);
  }
  return wrong;
}

/** Names whose values are secrets; DATABASE_URL_FILE and PASSWORDS_DIR say where one is. */
const secretName = /(password|passwd|secret|token|api_?key|access_?key|private_?key|credentials?)s?$/i;
/** Texts that are secrets whatever they are called: a password in a URL (but "password" is an example), a private key, a key of AWS. */
const secretText =
  /:\/\/[^\s:/@"'`$<{]+:(?!password@)[^\s/@"'`$<{]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{16}|\b(AKIA|ASIA)[0-9A-Z]{16}\b/;

const tellsSecret = (name: string, text: unknown) =>
  typeof text === "string" && text !== "" && (secretName.test(name) || secretText.test(text));

export const kubernetesRules: Rule[] = [
  {
    name: "pods-restricted",
    holds: 'Every pod keeps to the Pod Security Standard "restricted".',
    reason: "Who breaks into one container must not reach the node, and with it every other pod's secrets.",
    each: everyPod(unrestricted),
  },
  {
    name: "namespaces-restricted",
    holds: 'Namespaces admit only pods that keep to "restricted".',
    reason: "The pods of this program are not all that will ever run there.",
    each: {
      "kubernetes:core/v1:Namespace": ({ metadata }) => {
        const label = "pod-security.kubernetes.io/enforce";
        const level = metadata?.labels?.[label] as string | undefined;
        return level === "restricted" ? undefined : `its label ${label} is ${level ?? "not set"}: set it to restricted`;
      },
    },
  },
  {
    name: "images-by-digest",
    holds: "Images are named by digest.",
    reason: "A tag can be moved to another build, which then runs with the database's passwords.",
    each: everyPod((pod) =>
      containersOf(pod)
        .filter(({ image }) => !/@sha256:[0-9a-f]{64}$/.test(String(image)))
        .map(
          ({ name, image }) =>
            `container ${name}: ${image} has no digest: add @sha256:<digest of the build that was checked>`,
        ),
    ),
  },
  {
    name: "no-secret-in-environment",
    holds: "No secret is in a container's plain environment or arguments.",
    reason: "Whoever may read a Deployment reads them, and every error report carries them away.",
    each: everyPod((pod) =>
      containersOf(pod).flatMap(({ name: container, env, args, command }) => [
        ...listOf(env as Properties)
          .filter(({ name, value }) => tellsSecret(String(name), value))
          .map(
            ({ name }) =>
              `container ${container}: ${name} is set in plain text: take it from a Secret (secretKeyRef, or a mounted file)`,
          ),
        ...(listOf([...listOf(command as string), ...listOf(args as string)]).some((text) => tellsSecret("", text))
          ? [`container ${container}: a secret is among its arguments: mount a Secret, and name its file`]
          : []),
      ]),
    ),
  },
  {
    name: "no-secret-in-configmap",
    holds: "No secret is in a ConfigMap.",
    reason: "ConfigMaps are not encrypted, and every role that only looks may read them.",
    each: {
      [configMap]: ({ data }) => {
        const keys = Object.entries((data ?? {}) as Properties).filter(([key, text]) => tellsSecret(key, text));
        return keys.length === 0
          ? undefined
          : `${keys.map(([key]) => key).join(", ")} has a secret in plain text: put it into a Secret`;
      },
    },
  },
  {
    name: "services-not-public",
    holds: "No load balancer has a public address.",
    reason: "The way in for agents is a private one; what the internet reaches, the internet attacks.",
    each: {
      "kubernetes:core/v1:Service": ({ spec, metadata }) => {
        const scheme = metadata?.annotations?.["service.beta.kubernetes.io/aws-load-balancer-scheme"] as string;
        return spec?.type === "LoadBalancer" && scheme !== "internal"
          ? "a Service of type LoadBalancer is public unless service.beta.kubernetes.io/aws-load-balancer-scheme is internal"
          : undefined;
      },
      "kubernetes:networking.k8s.io/v1:Ingress": ({ metadata }) =>
        metadata?.annotations?.["alb.ingress.kubernetes.io/scheme"] === "internet-facing"
          ? "alb.ingress.kubernetes.io/scheme is internet-facing: use internal"
          : undefined,
    },
  },
];
