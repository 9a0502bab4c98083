/**
 * Which program on this machine stands for which image, by the last part of the image's repository name. An image of
 * another name is refused: there is no registry to pull from.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { basename, delimiter, dirname, isAbsolute, join } from "node:path";
import { build } from "esbuild";
import type { Context, ServiceUser } from "../handler";
import { findPgbouncer } from "../host/machine";
import { digest } from "./objects";

/** How a container's process is started here. */
export interface Executable {
  /** For messages and `make status`: "pgbouncer", "node", "stand-in". */
  what: string;
  /** Same choice, same text: a changed CONTROL_PLANE_COMMAND shows in it. */
  choice: string;
  command: string;
  args: string[];
  /** Whether command and args came from the container, with its paths, or are this machine's own. */
  ownCommand: boolean;
  user: ServiceUser | undefined;
  /** Set for the docker engine: paths inside stay as they are. */
  docker?: { image: string };
  cwd?: string;
  home?: string;
}

export interface Invocation {
  image: string;
  command: readonly string[] | undefined;
  args: readonly string[] | undefined;
}

type Images = Record<string, (run: Invocation, context: Context) => Promise<Executable> | Executable>;

const images: Images = {
  pgbouncer: (run, context) => program(run, { pgbouncer: pgbouncer() }, "pgbouncer", context),
  node: (run, context) => program(run, { node: process.execPath }, "node", context),
  "control-plane": (run, context) => controlPlane(run, context),
};

export async function executableFor(run: Invocation, context: Context): Promise<Executable> {
  const name = repositoryOf(run.image);
  const image = Object.hasOwn(images, name) ? images[name] : undefined;
  if (image) return image(run, context);
  throw new Error(
    `ErrImagePull: image "${run.image}": nothing on this machine stands for "${name}" ` +
      `(known: ${Object.keys(images).join(", ")}; the table is in local/kubernetes/images.ts)`,
  );
}

/** `ghcr.io/cloudnative-pg/pgbouncer:1.25.2@sha256:…` → `pgbouncer`. */
export function repositoryOf(image: string): string {
  return (image.split("@")[0]?.split("/").at(-1) ?? "").replace(/:[^:]*$/, "");
}

/** Whether an earlier choice would be made again: without a question to Docker, whose coming and going is no change. */
export function sameChoice(image: string, earlier: string): boolean {
  if (repositoryOf(image) !== "control-plane") return true;
  const command = process.env["CONTROL_PLANE_COMMAND"];
  return command ? earlier === commandChoice(command) : !earlier.startsWith("command ");
}

function program(run: Invocation, programs: Record<string, string>, entrypoint: string, context: Context): Executable {
  // Like the images, which start their program unless told otherwise, with or without its name in front of the arguments.
  const named = run.command ?? (programs[basename(run.args?.[0] ?? "")] ? [] : [entrypoint]);
  const [first = entrypoint, ...rest] = [...named, ...(run.args ?? [])];
  const own = programs[basename(first)];
  const command = own ?? find(first);
  if (command === undefined) throw new Error(`exec: "${first}": executable file not found in $PATH`);
  const user =
    context.serviceUser && reachable(own ?? process.execPath, context.serviceUser) ? context.serviceUser : undefined;
  return { what: entrypoint, choice: entrypoint, command, args: rest, ownCommand: true, user };
}

async function controlPlane(run: Invocation, context: Context): Promise<Executable> {
  const given = process.env["CONTROL_PLANE_COMMAND"];
  if (given) {
    // The user's own program, in a directory of their own: it runs as them, from where they called.
    return {
      what: "CONTROL_PLANE_COMMAND",
      choice: commandChoice(given),
      command: "/bin/sh",
      args: ["-c", given],
      ownCommand: false,
      user: undefined,
      cwd: process.cwd(),
      ...(process.env["HOME"] !== undefined && { home: process.env["HOME"] }),
    };
  }
  if (dockerAnswers() && pulled(run.image, context)) {
    const args = [...(run.command?.slice(1) ?? []), ...(run.args ?? [])];
    const docker = { image: run.image };
    return {
      what: "docker",
      choice: "docker",
      command: run.command?.[0] ?? "",
      args,
      ownCommand: true,
      user: undefined,
      docker,
    };
  }
  const script = await standIn(context);
  const user =
    context.serviceUser && reachable(process.execPath, context.serviceUser) ? context.serviceUser : undefined;
  return { what: "stand-in", choice: "stand-in", command: process.execPath, args: [script], ownCommand: false, user };
}

const commandChoice = (command: string) => `command ${digest(command)}`;

/** One file of plain JavaScript starts in a fraction of the time that a TypeScript loader takes. */
export async function bundled(source: string, target: string): Promise<string> {
  await build({
    entryPoints: [source],
    outfile: target,
    bundle: true,
    platform: "node",
    target: "node20",
    external: ["pg-native"],
    logLevel: "silent",
  });
  return target;
}

const standIn = (context: Context) =>
  bundled(join(__dirname, "../../local/standIn.ts"), join(context.directory, "stand-in.js"));

/** Directories in which servers are installed though a user's PATH may lack them. */
const usual = [
  "/usr/local/bin",
  "/usr/bin",
  "/bin",
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/opt/homebrew/bin",
  "/opt/homebrew/sbin",
];

/** The PATH inside every container: this machine's programs, among them this very node. */
export function searchPath(): string {
  const own = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((path) => isAbsolute(path) && !path.includes("node_modules"));
  return [...new Set([dirname(process.execPath), ...own, ...usual])].join(delimiter);
}

function find(name: string): string | undefined {
  if (name.includes("/")) return existsSync(name) || !usual.includes(dirname(name)) ? name : find(basename(name));
  return searchPath()
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function pgbouncer(): string {
  const path = findPgbouncer();
  if (path === undefined) throw new Error(`pgbouncer is not installed (looked in ${searchPath()})`);
  return path;
}

/** Whether the service user may run a program; a node below somebody's home directory it may not. */
export function reachable(path: string, user: ServiceUser): boolean {
  return spawnSync("/bin/sh", ["-c", 'test -x "$0"', path], { uid: user.uid, gid: user.gid, cwd: "/" }).status === 0;
}

let docker: boolean | undefined;
function dockerAnswers(): boolean {
  // Elsewhere the engine is a virtual machine, whose host network is not this machine's.
  if (process.platform !== "linux") return false;
  docker ??=
    spawnSync("docker", ["info", "--format", "{{.ServerVersion}}"], { timeout: 3000, stdio: "ignore" }).status === 0;
  return docker;
}

function pulled(image: string, context: Context): boolean {
  if (spawnSync("docker", ["image", "inspect", image], { timeout: 5000, stdio: "ignore" }).status === 0) return true;
  context.log(`pulling ${image}`);
  const pull = spawnSync("docker", ["pull", "--quiet", image], { timeout: 300_000, encoding: "utf8" });
  if (pull.status === 0) return true;
  context.log(
    `${image} cannot be pulled (${pull.stderr?.trim().split("\n").at(-1) ?? "no answer"}): using the stand-in`,
  );
  return false;
}
