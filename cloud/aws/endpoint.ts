/** A service on this machine: one process of ours, at one address. Those of AWS are there before any resource is made. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, readIfThere, writeWhole } from "../host/files";
import { saysListening } from "../host/logs";
import { running } from "../host/pidFile";
import { freePort, stillOurs } from "../host/ports";
import { start, stop } from "../host/process";
import type { ServiceUser } from "../host/user";
import { waitUntil } from "../host/wait";
import { bundleAll, writeBundle } from "../kubernetes/bundle";
import { userOf } from "../kubernetes/images";

export interface Service {
  /** For messages: "CloudWatch". */
  name: string;
  /** Its directory, below that of all resources' directories. */
  directory: string;
  /** Its program, which is given its directory and the port. */
  main: string;
}

export interface Endpoint extends Service {
  /** What AWS' SDKs and command line find its address by. */
  variable: string;
}

export const rootOf = (service: Service, root: string) => join(root, service.directory);

const pidFileOf = (service: Service, root: string) => join(rootOf(service, root), `${service.directory}.pid`);
const portFileOf = (service: Service, root: string) => join(rootOf(service, root), "endpoint.json");
const addressOf = (port: number) => `http://127.0.0.1:${port}`;

function portOf(service: Service, root: string): number | undefined {
  const content = readIfThere(portFileOf(service, root));
  return content === undefined ? undefined : (JSON.parse(content) as { port: number }).port;
}

/** Undefined where it has never been started. */
export function urlOf(service: Service, root: string): string | undefined {
  const port = portOf(service, root);
  return port === undefined ? undefined : addressOf(port);
}

export const isRunning = (service: Service, root: string) => running(pidFileOf(service, root)) !== undefined;

/** Programs of services, by their directories. */
export type Programs = Promise<Record<string, Buffer>>;

/** Their programs, which take a second of a processor where they are not kept: together, since they share most of what they are made of. */
export function buildServices(services: readonly Service[]): Programs {
  const programs = bundleAll(Object.fromEntries(services.map(({ directory, main }) => [directory, main])));
  programs.catch(() => undefined); // told to whoever waits for them
  return programs;
}

export interface StartOptions {
  serviceUser?: ServiceUser | undefined;
  signal: AbortSignal;
  /** What `buildServices` returned, where it was called before. */
  programs?: Programs;
  /** Whether one that runs has been told what is no longer so. */
  outdated?: boolean;
}

/** Has it run, as its program is now; returns its address. */
export async function startEndpoint(
  service: Service,
  root: string,
  { serviceUser, signal, programs = buildServices([service]), outdated = false }: StartOptions,
): Promise<string> {
  const directory = rootOf(service, root);
  makeDirectory(directory, serviceUser);
  const user = userOf(process.execPath, { serviceUser });
  const pidFile = pidFileOf(service, root);
  const logFile = join(directory, `${service.directory}.log`);
  const before = portOf(service, root);
  const port = before !== undefined && (await stillOurs(before, directory)) ? before : await freePort();
  const program = join(directory, `${service.directory}.js`);
  const changed = writeBundle((await programs)[service.directory]!, program, serviceUser);
  if (running(pidFile) !== undefined) {
    if (port === before && !changed && !outdated) return addressOf(port);
    await stop(pidFile);
  }
  writeWhole(portFileOf(service, root), JSON.stringify({ port }), { owner: serviceUser });
  if (existsSync(logFile)) writeWhole(logFile, "", { owner: serviceUser });
  const files = { pidFile, logFile };
  await start({
    name: service.name,
    command: process.execPath,
    args: [program, directory, String(port)],
    ...files,
    ...(user && { user }),
  });
  await waitUntil(service.name, () => saysListening(logFile), { ...files, timeoutMs: 10_000, everyMs: 15, signal });
  return addressOf(port);
}

export const stopEndpoint = (service: Service, root: string) => stop(pidFileOf(service, root));
