import { z } from "zod";
import { isCron } from "../components/programs/cron";
import { opsImage } from "../components/programs/opsImage";
import { isTimed, scheduledNames, type TimedName } from "../components/programs/scheduledNames";
import { scheduledPrograms } from "../components/programs/scheduledPrograms";
import { checked, flag, image, integer, map, object, optional, type Setting, text } from "./kinds";
import { podOverrides } from "./podOverrides";

export const namespace = text("namespace", /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
  description: "Kubernetes namespace that everything runs in; made by this program unless createNamespace is false",
  rule: "a Kubernetes name: lowercase letters, digits and hyphens, at most 63",
  example: "authensor",
  default: "authensor",
});

export const createNamespace = flag("createNamespace", {
  description:
    "Whether the program makes the namespace; false: it exists, and its owner sets its labels. Choose before the first deployment",
  default: "true",
});

/** What the clusters of a platform ask of pods; an object each. */
const pod = (key: string, of: string) =>
  object(key, podOverrides, {
    description: `More properties of ${of}: nodeSelector, tolerations, priorityClassName, imagePullSecrets, resources`,
    rule:
      "an object with any of nodeSelector, tolerations, priorityClassName, imagePullSecrets (names of Secrets), resources (requests of " +
      "cpu and memory, and optionally limits; they replace the program's own)",
    example:
      '{"nodeSelector":{"pool":"db"},"tolerations":[{"key":"db","operator":"Exists"}],"imagePullSecrets":["mirror"]}',
  });

export const pgbouncer = {
  pods: integer("pgbouncerPods", 2, 50, {
    description: "PgBouncer pods, 2 to 50; more pods mean smaller pools in each",
    rule: "2 to 50 pods",
    example: "3",
    default: "2",
  }),
  image: image("pgbouncerImage", "PgBouncer image, 1.25.2 or later", "ghcr.io/cloudnative-pg/pgbouncer:1.25.2"),
  maxClients: integer("pgbouncerMaxClients", 20, 20000, {
    description:
      "Client connections that each process of a PgBouncer pod accepts, 20 to 20000; more than 900 needs nodes that allow more than 1024 open files",
    rule: "20 to 20000 client connections of one pod",
    example: "500",
    default: "500",
  }),
  preparedStatements: integer("preparedStatements", 0, 500, {
    description:
      "Statements of the control plane that are prepared on each pooled connection, 0 to 500; each takes up to 25 kB of the database's memory there for each month online, and what could take more than half of it is refused. 0: all are planned each time",
    rule: "0 to 500 statements",
    example: "32",
    default: "32",
  }),
  lanes: integer("chainLanes", 1, 256, {
    description:
      "Chains that each agent's receipts are spread over, 1 to 256; more let one busy agent's writers wait less, and order is then proven within each chain alone: docs/scaling.md",
    rule: "1 to 256 chains of each agent",
    example: "16",
    default: "1",
  }),
  pod: pod("pgbouncerPod", "PgBouncer's pods"),
};

export const controlPlane = {
  image: image("controlPlaneImage", "Control plane image", "ghcr.io/authensor/control-plane:0.0.1"),
  minPods: integer("controlPlaneMinPods", 1, 100, {
    description: "Control plane pods at rest, 1 to 100",
    rule: "1 to 100 pods",
    example: "2",
    default: "2",
  }),
  maxPods: integer("controlPlaneMaxPods", 1, 100, {
    description:
      "Most control plane pods that autoscaling may start, 1 to 100; equal to controlPlaneMinPods: no autoscaling, so no metrics-server is needed",
    rule: "1 to 100 pods, at least controlPlaneMinPods",
    example: "10",
    default: "6",
  }),
  env: map("controlPlaneEnv", /^[A-Z_][A-Z0-9_]*$/, z.string(), {
    description: "More environment variables of the control plane, by name; kept in a Kubernetes Secret",
    rule: "an object of texts by variable name (capitals, digits, underscores), without the variables that the program sets itself",
    example: '{"AUTHENSOR_AEGIS_ENABLED":"true"}',
    default: "{}",
    confidential: true,
  }),
  pod: pod("controlPlanePod", "the control plane's pods"),
};

export const partitions = {
  monthsAhead: integer("monthsAhead", 1, 24, {
    description: "Months of partitions to make ahead of today, 1 to 24",
    rule: "1 to 24 months of partitions ahead of today",
    example: "3",
    default: "3",
  }),
};

/** One of each program on schedule: `verifyRecentSchedule` of "verify-recent". */
export const schedules = Object.fromEntries(
  scheduledNames.filter(isTimed).map((name) => {
    const { what, schedule } = scheduledPrograms[name];
    return [
      name,
      checked(`${name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())}Schedule`, isCron, {
        description: `When ${what}, as a Kubernetes CronJob writes it, in UTC`,
        rule: "a schedule that a Kubernetes CronJob accepts: five cron fields or a word such as @daily, in UTC",
        example: schedule,
        default: schedule,
      }),
    ];
  }),
) as Record<TimedName, Setting<string>>;

export const verification = {
  acknowledgedFile: optional("acknowledgedFile", /./, {
    description:
      "JSON file of the verification's findings that were looked into, which count no more (docs/verification.md, Acknowledging a finding)",
    rule: "the path of a JSON file",
    example: "acknowledged.json",
  }),
};

export const monitor = {
  podMonitorLabels: map(
    "podMonitorLabels",
    /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/,
    z.string().regex(/^([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$/),
    {
      description:
        "Labels of a PodMonitor for the monitor's metrics, those by which your Prometheus selects PodMonitors; none: no PodMonitor. Needs the Prometheus operator",
      rule: "an object of Kubernetes labels: texts by name",
      example: '{"release":"kube-prometheus-stack"}',
      default: "{}",
    },
  ),
};

export const ops = {
  image: image("opsImage", "Node image that the ops programs run in", opsImage),
  pod: pod("opsPod", "the ops programs' pods"),
};
