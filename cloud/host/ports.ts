/**
 * Ports for servers on this machine: below the kernel's ephemeral range, so that no outgoing connection takes one while
 * its server is down; remembered, and given up only when a process that is not ours listens on them.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { pidFiles, running } from "./pidFile";
import { sleep } from "./wait";

const lowest = 20_000;
const highest = 32_000; // Linux hands out 32768 and up to outgoing connections, macOS 49152 and up

/** Ports given out by this command and perhaps not bound yet. */
const promised = new Set<number>();

/** A port nobody listens on, and that is not in `taken`. */
export async function freePort(taken: ReadonlySet<number> = new Set()): Promise<number> {
  for (let i = 0; i < 500; i++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (promised.has(port) || taken.has(port)) continue;
    promised.add(port);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free TCP port between ${lowest} and ${highest}`);
}

/** Whether a remembered port can be used: it is free, or the resource's own process has it. */
export async function stillOurs(port: number, directory: string): Promise<boolean> {
  if (await canListen(port)) {
    promised.add(port);
    return true;
  }
  const alive = pidFiles(directory).flatMap((file) => running(file) ?? []);
  if (alive.length === 0) return freedSoon(port);
  return process.platform === "linux" ? listens(alive, port) : true;
}

/** The main thread of a killed process is gone a moment before its others, and its sockets go with the last of them. */
async function freedSoon(port: number): Promise<boolean> {
  for (let i = 0; i < 10; i++) {
    await sleep(20);
    if (await canListen(port)) return true;
  }
  return false;
}

export async function canListen(port: number): Promise<boolean> {
  return (await bindable(port, "127.0.0.1")) && (await bindable(port, "::"));
}

function bindable(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    // A machine without IPv6 has nobody listening there either.
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "EADDRINUSE"));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function listens(pids: readonly number[], port: number): boolean {
  const inodes = new Set(listeningInodes(port).map((inode) => `socket:[${inode}]`));
  return pids.some((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`)));
    } catch {
      return true; // not allowed to look into a process of our own pid file: believe it
    }
  });
}

function listeningInodes(port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => {
    try {
      return readFileSync(table, "utf8")
        .split("\n")
        .filter((line) => line.includes(`${suffix} `)) // most lines are none of them, and there may be thousands
        .map((line) => line.trim().split(/\s+/))
        .filter((columns) => columns[1]?.endsWith(suffix) && columns[3] === "0A") // 0A: LISTEN
        .flatMap((columns) => columns[9] ?? []);
    } catch {
      return [];
    }
  });
}
