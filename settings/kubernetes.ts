import { z } from "zod";
import { isCron } from "../components/cron";
import { type ScheduledName, scheduledNames, scheduledPrograms } from "../components/scheduledPrograms";
import { checked, image, integer, map, type Setting, text } from "./kinds";

export const namespace = text("namespace", /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
  description: "Kubernetes namespace that this program makes and owns",
  rule: "a Kubernetes name of its own: lowercase letters, digits and hyphens, 63 at most",
  example: "authensor",
  default: "authensor",
});

export const pgbouncer = {
  pods: integer("pgbouncerPods", 2, 50, {
    description: "PgBouncer pods, 2 to 50; every one shrinks the pools of the others",
    rule: "2 to 50 pods",
    example: "3",
    default: "2",
  }),
  image: image("pgbouncerImage", "PgBouncer image, 1.25.2 or later", "ghcr.io/cloudnative-pg/pgbouncer:1.25.2"),
  maxClients: integer("pgbouncerMaxClients", 20, 20000, {
    description:
      "Client connections that one PgBouncer pod takes, 20 to 20000; more than 900 needs nodes that allow more than 1024 open files",
    rule: "20 to 20000 clients of one pod",
    example: "500",
    default: "500",
  }),
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
    description: "Control plane pods that autoscaling may reach, 1 to 100",
    rule: "1 to 100 pods, at least controlPlaneMinPods",
    example: "10",
    default: "6",
  }),
  env: map("controlPlaneEnv", /^[A-Z_][A-Z0-9_]*$/, z.string(), {
    description: "Further environment of the control plane, by variable name; kept in a Kubernetes Secret",
    rule: "an object of texts by variable name (capitals, digits, underscores), without those that the program sets itself",
    example: '{"AUTHENSOR_AEGIS_ENABLED":"true"}',
    default: "{}",
    confidential: true,
  }),
};

export const partitions = {
  monthsAhead: integer("monthsAhead", 1, 24, {
    description: "Months of partitions to have ahead of today, 1 to 24",
    rule: "1 to 24 months of partitions ahead of today",
    example: "3",
    default: "3",
  }),
};

/** One of each program on schedule: `partitionsSchedule`. */
export const schedules = Object.fromEntries(
  scheduledNames.map((name) => {
    const { what, schedule } = scheduledPrograms[name];
    return [
      name,
      checked(`${name}Schedule`, isCron, {
        description: `When ${what}, as a Kubernetes CronJob takes it, in UTC`,
        rule: "a schedule that a Kubernetes CronJob takes: five cron fields or a word such as @daily, in UTC",
        example: schedule,
        default: schedule,
      }),
    ];
  }),
) as Record<ScheduledName, Setting<string>>;

export const ops = { image: image("opsImage", "Node image that the ops programs run in", "node:22.21.1-alpine3.22") };
