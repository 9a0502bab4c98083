/** One try of a probe, as the kubelet makes it. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import type { ServiceUser } from "../host/user";
import { run } from "../host/command";
import type { Container, LifecycleHandler, Probe } from "./podSpec";
import { podAddress, translateInside, type Translation } from "./translate";

/** A container's process, seen from outside: what its probes and hooks need. */
export interface Inside {
  container: Container;
  translation: Translation;
  env: Record<string, string>;
  cwd: string;
  user: ServiceUser | undefined;
  pid: number;
  /** Runs a command in the container where that is not simply this machine. */
  wrap?: (command: readonly string[]) => string[];
}

/** Undefined where the probe succeeds, else why not. */
export async function tryProbe(probe: Probe, inside: Inside): Promise<string | undefined> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  try {
    if (probe.exec) await execute(probe.exec.command, inside, timeoutMs);
    else if (probe.httpGet) await get(probe.httpGet, inside, timeoutMs);
    else if (probe.tcpSocket) await open(localPort(probe.tcpSocket.port, inside), timeoutMs);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Runs a command the way `kubectl exec` would: the container's environment, user and files. */
export async function execute(
  command: readonly string[],
  inside: Inside,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const [program = "", ...args] = inside.wrap?.(command) ?? translateInside(command, inside.translation, inside.pid);
  const { user, env, cwd } = inside;
  await run(program, args, { env, cwd, timeoutMs, ...(user && { user }), ...(signal && { signal }) });
}

function localPort(port: number | string, { container, translation }: Inside): number {
  const declared = container.ports?.find((candidate) => candidate.name === port)?.containerPort ?? port;
  if (typeof declared !== "number") throw new Error(`couldn't find port "${declared}" of container ${container.name}`);
  const local = translation.ports.get(declared);
  if (local === undefined)
    throw new Error(
      `container ${container.name} declares no port ${declared}: what it listens on cannot be known on this machine`,
    );
  return local;
}

function get(http: NonNullable<LifecycleHandler["httpGet"]>, inside: Inside, timeoutMs: number): Promise<void> {
  const port = localPort(http.port, inside);
  const headers = Object.fromEntries(http.httpHeaders?.map(({ name, value }) => [name, value]) ?? []);
  const options = { host: podAddress, port, path: http.path ?? "/", headers, agent: false, timeout: timeoutMs };
  return new Promise((resolve, reject) => {
    const request =
      // A kubelet verifies no certificate either.
      http.scheme === "HTTPS" ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    request.once("response", (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 400) resolve();
      else reject(new Error(`HTTP probe failed with statuscode: ${status}`));
    });
    request.once("error", reject);
    request.once("close", () => clearTimeout(timer));
    request.end();
  });
}

/** Succeeds where something accepts connections on a port of this machine. */
export function open(port: number, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: podAddress, port });
    const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeoutMs / 1000} s`)), timeoutMs);
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
    socket.once("close", () => clearTimeout(timer));
  });
}
