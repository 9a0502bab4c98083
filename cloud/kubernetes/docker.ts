/** Containers that a Docker engine of this machine runs, where one answers. */
import { spawnSync } from "node:child_process";
import type { Executable, ImageHost, Invocation } from "./image";

let answers: boolean | undefined;

function engineAnswers(): boolean {
  // Elsewhere the engine is a virtual machine, whose host network is not this machine's.
  if (process.platform !== "linux") return false;
  answers ??=
    spawnSync("docker", ["info", "--format", "{{.ServerVersion}}"], { timeout: 3000, stdio: "ignore" }).status === 0;
  return answers;
}

/** How the engine runs an image; undefined where no engine answers, or the image cannot be had. */
export function inEngine(run: Invocation, host: Pick<ImageHost, "log">): Executable | undefined {
  if (!engineAnswers() || !pulled(run.image, host)) return undefined;
  return {
    what: "docker",
    choice: "docker",
    command: run.command?.[0] ?? "",
    args: [...(run.command?.slice(1) ?? []), ...(run.args ?? [])],
    ownCommand: true,
    user: undefined,
    docker: { image: run.image },
  };
}

function pulled(image: string, host: Pick<ImageHost, "log">): boolean {
  if (spawnSync("docker", ["image", "inspect", image], { timeout: 5000, stdio: "ignore" }).status === 0) return true;
  host.log(`pulling ${image}`);
  const pull = spawnSync("docker", ["pull", "--quiet", image], { timeout: 300_000, encoding: "utf8" });
  if (pull.status === 0) return true;
  host.log(`${image} cannot be pulled: ${pull.stderr?.trim().split("\n").at(-1) ?? "no answer"}`);
  return false;
}

/** The client's command line for a container under this name. */
export function dockerRun(
  { command, args, docker }: Executable,
  name: string,
  mounts: ReadonlyMap<string, string>,
  env: readonly string[],
): { command: string; args: string[] } {
  const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const passed = env.filter((variable) => !["PATH", "HOME", "TMPDIR", "HOSTNAME"].includes(variable));
  return {
    command: "docker",
    args: [
      ...["run", "--rm", "--name", name, "--network", "host", "--user", owner],
      ...passed.flatMap((variable) => ["--env", variable]), // values come from the client's environment, not its arguments
      ...[...mounts].flatMap(([path, real]) => ["--volume", `${real}:${path}`]),
      ...(command === "" ? [] : ["--entrypoint", command]),
      docker?.image ?? "",
      ...args,
    ],
  };
}
