/** Ends one container of a pod, in order or at once. */
import { run } from "../host/command";
import { running } from "../host/pidFile";
import { sleep } from "../host/wait";
import { insideOf, pidFileOf, type Launched, type Place } from "./container";
import type { Container, LifecycleHandler, Probe } from "./podSpec";
import { execute, tryProbe, type Inside } from "./probes";

/** preStop, then the stop signal, then patience, then the end: as a kubelet ends a container. */
export async function endContainer(
  container: Container,
  launched: Launched,
  place: Omit<Place, "spec">,
  graceSeconds: number,
  hooks: boolean,
): Promise<void> {
  const pidFile = pidFileOf(place.directory, container.name);
  const { context } = place;
  const deadline = Date.now() + graceSeconds * 1000;
  const inside = insideOf(container, launched, place);
  if (!inside) return;
  const preStop = container.lifecycle?.preStop;
  if (preStop && hooks && graceSeconds > 0) {
    const over = new AbortController(); // with its main process a container ends, and what runs in it
    const hook = runHook(preStop, inside, graceSeconds * 1000, over.signal);
    const failed = hook.then(
      () => undefined,
      (error: unknown) => (over.signal.aborted ? undefined : error),
    );
    let finished = false;
    void failed.then(() => (finished = true));
    try {
      while (!finished && running(pidFile) !== undefined && Date.now() < deadline) await sleep(20, context.signal);
    } finally {
      over.abort(new Error("the container has ended"));
    }
    const error = await failed;
    if (error instanceof Error) context.log(`pod ${place.pod.name}: preStop hook failed: ${error.message}`);
  }
  const stopSignal = (container.lifecycle?.stopSignal ?? "SIGTERM") as NodeJS.Signals;
  // A shell may end before what it has started.
  const group = launched.wholeGroup ? -inside.pid : undefined;
  const alive = () => running(pidFile) !== undefined || (group !== undefined && send(group, 0));
  if (running(pidFile) === inside.pid) send(group ?? inside.pid, stopSignal);
  // Like a kubelet, two seconds at least after the hook.
  const patience = Math.max(deadline, Date.now() + Math.min(2000, graceSeconds * 1000));
  while (alive() && Date.now() < patience) await sleep(20, context.signal);
  await killContainer(container.name, place.directory, launched.docker);
  send(-inside.pid, "SIGKILL"); // what the ended process has left behind
}

async function runHook(hook: LifecycleHandler, inside: Inside, timeoutMs: number, signal: AbortSignal): Promise<void> {
  if (hook.sleep) return sleep(hook.sleep.seconds * 1000, signal);
  if (hook.exec) return execute(hook.exec.command, inside, timeoutMs, signal);
  const failure = await tryProbe({ ...hook, timeoutSeconds: timeoutMs / 1000 } as Probe, inside);
  if (failure !== undefined) throw new Error(failure);
}

/** Ends a container at once. */
export async function killContainer(name: string, directory: string, docker?: string): Promise<void> {
  const pidFile = pidFileOf(directory, name);
  const pid = running(pidFile);
  if (pid === undefined) return;
  if (docker !== undefined) await run("docker", ["kill", docker], { timeoutMs: 10_000 }).catch(() => undefined);
  send(-pid, "SIGKILL");
  send(pid, "SIGKILL");
  for (let i = 0; running(pidFile) === pid && i < 250; i++) await sleep(10);
}

/** Whether there was a process to send it to; 0 only asks. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (!["ESRCH", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return false;
  }
}
