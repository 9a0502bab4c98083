/** Where CloudWatch is on this machine, and its process: a service is there before any resource is made. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ServiceUser } from "../../host/user";
import { makeDirectory, writeWhole } from "../../host/files";
import { lastLines } from "../../host/logs";
import { running } from "../../host/pidFile";
import { freePort, stillOurs } from "../../host/ports";
import { start, stop } from "../../host/process";
import { waitUntil } from "../../host/wait";
import { bundled } from "../../kubernetes/bundle";
import { userOf } from "../../kubernetes/images";
import { files, readJson } from "./definitions";

/** Below the directory of all resources' directories. */
export const cloudWatchRoot = (root: string) => join(root, "cloudwatch");

export const pidFileOf = (root: string) => join(cloudWatchRoot(root), "cloudwatch.pid");

/** Undefined where it has never been started. */
export function endpointOf(root: string): string | undefined {
  const { port } = readJson<{ port?: number }>(files(cloudWatchRoot(root)).endpoint, {});
  return port === undefined ? undefined : `http://127.0.0.1:${port}`;
}

/** Has it run; returns its address. */
export async function startCloudWatch(
  root: string,
  { serviceUser, signal }: { serviceUser?: ServiceUser | undefined; signal: AbortSignal },
): Promise<string> {
  const directory = cloudWatchRoot(root);
  const { alarms, endpoint } = files(directory);
  makeDirectory(directory, serviceUser);
  makeDirectory(alarms, serviceUser);
  const user = userOf(process.execPath, { serviceUser });
  const pidFile = pidFileOf(root);
  const logFile = join(directory, "cloudwatch.log");
  const { port: before } = readJson<{ port?: number }>(endpoint, {});
  const port = before !== undefined && (await stillOurs(before, directory)) ? before : await freePort();
  if (running(pidFile) !== undefined) {
    if (port === before) return `http://127.0.0.1:${port}`;
    await stop(pidFile);
  }
  const program = await bundled(join(__dirname, "main.ts"), join(directory, "cloudwatch.js"));
  writeWhole(endpoint, JSON.stringify({ port }), { owner: serviceUser });
  if (existsSync(logFile)) writeWhole(logFile, "", { owner: serviceUser });
  const files_ = { pidFile, logFile };
  await start({
    name: "CloudWatch",
    command: process.execPath,
    args: [program, directory, String(port)],
    ...files_,
    ...(user && { user }),
  });
  const listening = () => lastLines(logFile, 1) === "listening";
  await waitUntil("CloudWatch", listening, { ...files_, timeoutMs: 10_000, everyMs: 15, signal });
  return `http://127.0.0.1:${port}`;
}

export const stopCloudWatch = (root: string) => stop(pidFileOf(root));
