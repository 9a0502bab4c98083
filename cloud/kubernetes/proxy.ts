/**
 * A Service on this machine: accepts connections on its port and passes each on to one ready pod, in turn. Runs by
 * itself, told of pods by the files in its namespace's directory. A connection that is open stays with its pod, whatever
 * becomes of the pod's readiness: a pod that is about to end finishes what it has begun.
 */
import { readdirSync, readFileSync, watch } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { PodEntry } from "./registry";

export interface ProxyConfiguration {
  podsDirectory: string;
  selector: Record<string, string>;
  ports: { listen: number; target: string }[];
}

const host = "127.0.0.1";
const file = process.argv[2] ?? "";
const servers = new Map<number, { target: string; server: Server }>();
let configuration = readConfiguration();
let pods = readPods();
let turn = 0;
let rereading: NodeJS.Timeout | undefined;

watch(configuration.podsDirectory, () => {
  // A pod's file appears and disappears in several steps: read once for all of them.
  rereading ??= setTimeout(() => {
    rereading = undefined;
    pods = readPods();
  }, 2);
});
// A changed Service must not break the connections that go through it, as a new process would.
process.on("SIGHUP", () => {
  configuration = readConfiguration();
  pods = readPods();
  listen();
});
process.on("SIGTERM", () => process.exit(0));
listen();

function readConfiguration(): ProxyConfiguration {
  return JSON.parse(readFileSync(file, "utf8")) as ProxyConfiguration;
}

function listen(): void {
  const wanted = new Map(configuration.ports.map(({ listen: port, target }) => [port, target]));
  for (const [port, { server }] of servers) {
    if (wanted.has(port)) continue;
    server.close();
    servers.delete(port);
  }
  for (const [port, target] of wanted) {
    const known = servers.get(port);
    if (known) {
      known.target = target;
      continue;
    }
    const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true };
    const server = createServer(options, (client) => forward(client, servers.get(port)?.target ?? target));
    server.on("error", (error) => {
      console.error(`port ${port}: ${error.message}`);
      process.exit(1);
    });
    server.listen({ port, host, backlog: 1024 }, () => {
      if ([...servers.values()].every((known) => known.server.listening)) console.log("listening");
    });
    servers.set(port, { target, server });
  }
}

function readPods(): PodEntry[] {
  const wanted = Object.entries(configuration.selector);
  return readdirSync(configuration.podsDirectory)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(join(configuration.podsDirectory, name), "utf8")) as PodEntry];
      } catch {
        return []; // withdrawn meanwhile
      }
    })
    .filter((pod) => pod.ready && wanted.every(([key, value]) => pod.labels[key] === value));
}

function forward(client: Socket, target: string): void {
  client.on("error", () => client.destroy());
  const first = turn++;
  let reread = false;
  let endpoints = pods.flatMap((pod) => pod.ports[target] ?? []);
  const tryNext = (tried: number): void => {
    if (client.destroyed) return;
    const port = endpoints[(first + tried) % endpoints.length];
    if (port === undefined || tried >= endpoints.length) {
      // Nobody there: refused, as a Service without endpoints refuses.
      if (reread) return void client.resetAndDestroy();
      // Unless a pod got ready a moment ago: what is announced counts, not when the news of it arrives here.
      reread = true;
      pods = readPods();
      endpoints = pods.flatMap((pod) => pod.ports[target] ?? []);
      return tryNext(0);
    }
    const pod = connect({ host, port, allowHalfOpen: true, noDelay: true, keepAlive: true });
    pod.once("error", () => tryNext(tried + 1));
    pod.once("connect", () => {
      pod.removeAllListeners("error");
      joinSockets(client, pod);
    });
    client.once("close", () => pod.destroy());
  };
  tryNext(0);
}

/** Passes bytes both ways, an end of sending as an end of sending, and a broken connection as a broken one. */
function joinSockets(client: Socket, pod: Socket): void {
  if (client.destroyed) return void pod.destroy();
  pod.on("error", () => client.resetAndDestroy());
  client.removeAllListeners("error").on("error", () => pod.resetAndDestroy());
  pod.on("close", () => client.destroySoon());
  client.pipe(pod);
  pod.pipe(client);
}
