/** What runs CronJobs on schedule, as a process of the local deployment. */
import { join } from "node:path";
import {
  isRunning,
  rootOf,
  type Service,
  startEndpoint,
  type StartOptions,
  stopEndpoint,
  urlOf,
} from "../../cloud/aws/endpoint";
import { makeDirectory, writeWhole } from "../../cloud/host/files";
import type { Configuration } from "./main";

export const cronController: Service = {
  name: "the CronJob controller",
  directory: "cronjobs",
  main: join(__dirname, "main.ts"),
};

/** Has it run, as this user: it starts pods of every kind, and reads the state. */
export async function startCronController(
  root: string,
  configuration: Configuration,
  options: Pick<StartOptions, "programs" | "signal">,
) {
  const directory = rootOf(cronController, root);
  makeDirectory(directory);
  const outdated = writeWhole(join(directory, "configuration.json"), JSON.stringify(configuration));
  await startEndpoint(cronController, root, { ...options, outdated });
}

/** Jobs that run go on, and are run again by the next controller. */
export const stopCronController = (root: string) => stopEndpoint(cronController, root);

/** Undefined where it has never been started. */
export function cronControllerStatus(root: string): { healthy: boolean; text: string } | undefined {
  if (urlOf(cronController, root) === undefined) return undefined;
  return isRunning(cronController, root) ? { healthy: true, text: "running" } : { healthy: false, text: "stopped" };
}
