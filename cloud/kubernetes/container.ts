/** One container of a pod as a process of this machine: started, and seen from outside. */
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Context } from "../handler";
import { podIdentityEnvironment } from "../aws/podIdentity";
import type { ServiceUser } from "../host/user";
import { wordSafe } from "../host/alias";
import { makeDirectory } from "../host/files";
import { findPostgres, searchPath } from "../host/programs";
import { quoteLog } from "../host/logs";
import { running } from "../host/pidFile";
import { start } from "../host/process";
import { sleep } from "../host/wait";
import { environmentOf, expand, type PodIdentity } from "./environment";
import { dockerRun } from "./docker";
import type { Executable } from "./image";
import { executableFor } from "./images";
import { materialise, mountedTexts, mountPaths, readMounts } from "./mounts";
import type { Inside } from "./probes";
import { serviceAddresses, serviceKey } from "./registry";
import type { Container, PodSpec } from "./podSpec";
import {
  localAddress,
  translateArguments,
  translateEnvironment,
  translateText,
  type ServiceAddress,
  type Translation,
} from "./translate";

/** What must be known of a started container to probe and end it, also by a later command. */
export interface Launched {
  what: string;
  choice: string;
  env: Record<string, string>;
  cwd: string;
  user?: ServiceUser;
  mounts: [string, string][];
  /** Addresses that were translated: "namespace/service:port" → what stood for it then. */
  services: Record<string, string>;
  /** The name of the docker container, where it is one. */
  docker?: string;
  /** Whether its stop signal goes to its whole process group. */
  wholeGroup?: boolean;
}

export interface Place {
  /** The pod's directory. */
  directory: string;
  pod: PodIdentity;
  spec: PodSpec;
  /** Container port → allotted port. */
  ports: ReadonlyMap<number, number>;
  context: Context;
}

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export const pidFileOf = (directory: string, container: string) => join(directory, `${container}.pid`);
export const logFileOf = (directory: string, container: string) => join(directory, `${container}.log`);

/** Starts the container's process. What it refers to must exist now. */
export async function launch(
  container: Container,
  place: Place,
): Promise<{ launched: Launched; exited: Promise<Exit> | null }> {
  const { directory, pod, spec, context } = place;
  const declared = environmentOf(container, pod, context);
  const contents = readMounts(container, spec, pod, context);
  const services = await knownServices([...Object.values(declared), ...mountedTexts(contents)], context);
  const expanded = (words: readonly string[] | undefined) => words?.map((word) => expand(word, declared));
  const executable = await executableFor(
    { image: container.image, command: expanded(container.command), args: expanded(container.args) },
    context,
  );
  const { user } = executable;
  const inside = wordSafe(directory, dirname(context.directory));
  const paths = mountPaths(contents, join(inside, "files", container.name), join(inside, "volumes"));
  const used: Launched["services"] = {};
  const to: Translation = {
    namespace: pod.namespace,
    services,
    mounts: executable.docker ? new Map() : paths,
    ports: place.ports,
    used: (service, port) => (used[serviceKey(service, port)] = localAddress(service, port) ?? ""),
  };
  materialise(contents, paths, to, { owner: user, suit: executable.suit });
  const home = join(inside, "home", container.name);
  makeDirectory(home, user);
  const env = {
    PATH: path(),
    HOME: executable.home ?? home,
    TMPDIR: "/tmp",
    TZ: "UTC",
    HOSTNAME: pod.name,
    ...translateEnvironment(declared, to),
    ...executable.env,
    ...podIdentityEnvironment(pod, context),
  };
  const workingDirectory = container.workingDir === undefined ? undefined : translateText(container.workingDir, to);
  const inWorkingDirectory = workingDirectory !== undefined && existsSync(workingDirectory) && !executable.docker;
  const cwd = executable.cwd ?? (inWorkingDirectory ? workingDirectory : home);
  const docker = executable.docker && `${pod.namespace}-${pod.name}-${container.name}`;
  const started = await start({
    name: `container ${container.name} of pod ${pod.name}`,
    ...(docker === undefined ? locally(executable, to) : dockerRun(executable, docker, paths, Object.keys(env))),
    env,
    cwd,
    pidFile: pidFileOf(directory, container.name),
    logFile: logFileOf(directory, container.name),
    ...(user && { user }),
  });
  const { what, choice, wholeGroup } = executable;
  return {
    launched: {
      what,
      choice,
      env,
      cwd,
      ...(user && { user }),
      mounts: [...to.mounts],
      services: used,
      ...(docker !== undefined && { docker }),
      ...(wholeGroup && { wholeGroup }),
    },
    exited: started.exited,
  };
}

/** PostgreSQL's own programs first: what Debian has in their place is a script, whose start takes seven times as long. */
const path = (): string => {
  const own = searchPath();
  const bin = findPostgres()?.bin;
  return (bin === undefined || own.includes(bin) ? own : [bin, ...own]).join(delimiter);
};

function locally(executable: Executable, to: Translation): { command: string; args: string[] } {
  const { command, args, ownCommand } = executable;
  return ownCommand ? { command: translateText(command, to), args: translateArguments(args, to) } : { command, args };
}

const serviceName = /(?<![\w.-])([a-z0-9][-a-z0-9]*)\.([a-z0-9][-a-z0-9]*)\.svc(?:\.cluster\.local)?(?![\w-])/g;

/** All services; one that is named but not there yet gets a moment to appear, as a name in DNS would. */
async function knownServices(texts: readonly string[], context: Context): Promise<ServiceAddress[]> {
  const named = texts.flatMap((text) => [...text.matchAll(serviceName)]);
  const deadline = Date.now() + 5000;
  for (;;) {
    const services = serviceAddresses(context);
    const missing = named.find(
      ([, name, namespace]) => !services.some((s) => s.name === name && s.namespace === namespace),
    );
    if (!missing) return services;
    if (Date.now() > deadline) {
      context.log(`no service ${missing[0]} yet: starting without it`);
      return services;
    }
    await sleep(100, context.signal);
  }
}

/** The view that probes and hooks have of a running container. */
export function insideOf(container: Container, launched: Launched, place: Omit<Place, "spec">): Inside | undefined {
  const pid = running(pidFileOf(place.directory, container.name));
  if (pid === undefined) return undefined;
  const { env, cwd, user, mounts, docker } = launched;
  const translation: Translation = {
    namespace: place.pod.namespace,
    services: serviceAddresses(place.context),
    mounts: new Map(mounts),
    ports: place.ports,
  };
  const wrap = (command: readonly string[]) => [
    "docker",
    "exec",
    docker ?? "",
    ...translateArguments(command, translation),
  ];
  return { container, translation, env, cwd, user, pid, ...(docker !== undefined && { wrap }) };
}

/** "exited with 1" and the end of its log. */
export function describeEnd(container: Container, exit: Exit | undefined, directory: string): string {
  const how = exit?.signal ? `was ended by ${exit.signal}` : `exited with ${exit?.code ?? "an unknown code"}`;
  return `container ${container.name} ${how}; ${quoteLog(logFileOf(directory, container.name))}`;
}
