/** A service of AWS on this machine: one process, at one address, there before any resource is made. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, readIfThere, writeWhole } from "../host/files";
import { lastLines } from "../host/logs";
import { running } from "../host/pidFile";
import { freePort, stillOurs } from "../host/ports";
import { start, stop } from "../host/process";
import type { ServiceUser } from "../host/user";
import { waitUntil } from "../host/wait";
import { bundled } from "../kubernetes/bundle";
import { userOf } from "../kubernetes/images";

export interface Endpoint {
  /** For messages: "CloudWatch". */
  name: string;
  /** Its directory, below that of all resources' directories. */
  directory: string;
  /** Its program, which is given its directory and the port. */
  main: string;
  /** What AWS' SDKs and command line find its address by. */
  variable: string;
}

export const rootOf = (endpoint: Endpoint, root: string) => join(root, endpoint.directory);

const pidFileOf = (endpoint: Endpoint, root: string) => join(rootOf(endpoint, root), `${endpoint.directory}.pid`);
const portFileOf = (endpoint: Endpoint, root: string) => join(rootOf(endpoint, root), "endpoint.json");
const addressOf = (port: number) => `http://127.0.0.1:${port}`;

function portOf(endpoint: Endpoint, root: string): number | undefined {
  const content = readIfThere(portFileOf(endpoint, root));
  return content === undefined ? undefined : (JSON.parse(content) as { port: number }).port;
}

/** Undefined where it has never been started. */
export function urlOf(endpoint: Endpoint, root: string): string | undefined {
  const port = portOf(endpoint, root);
  return port === undefined ? undefined : addressOf(port);
}

export const isRunning = (endpoint: Endpoint, root: string) => running(pidFileOf(endpoint, root)) !== undefined;

/** Has it run; returns its address. */
export async function startEndpoint(
  endpoint: Endpoint,
  root: string,
  { serviceUser, signal }: { serviceUser?: ServiceUser | undefined; signal: AbortSignal },
): Promise<string> {
  const directory = rootOf(endpoint, root);
  makeDirectory(directory, serviceUser);
  const user = userOf(process.execPath, { serviceUser });
  const pidFile = pidFileOf(endpoint, root);
  const logFile = join(directory, `${endpoint.directory}.log`);
  const before = portOf(endpoint, root);
  const port = before !== undefined && (await stillOurs(before, directory)) ? before : await freePort();
  if (running(pidFile) !== undefined) {
    if (port === before) return addressOf(port);
    await stop(pidFile);
  }
  const program = await bundled(endpoint.main, join(directory, `${endpoint.directory}.js`));
  writeWhole(portFileOf(endpoint, root), JSON.stringify({ port }), { owner: serviceUser });
  if (existsSync(logFile)) writeWhole(logFile, "", { owner: serviceUser });
  const files = { pidFile, logFile };
  await start({
    name: endpoint.name,
    command: process.execPath,
    args: [program, directory, String(port)],
    ...files,
    ...(user && { user }),
  });
  const listening = () => lastLines(logFile, 1) === "listening";
  await waitUntil(endpoint.name, listening, { ...files, timeoutMs: 10_000, everyMs: 15, signal });
  return addressOf(port);
}

export const stopEndpoint = (endpoint: Endpoint, root: string) => stop(pidFileOf(endpoint, root));
