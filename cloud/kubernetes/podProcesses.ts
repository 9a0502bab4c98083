/** The processes of one pod's containers: each is started once, waited for, probed and ended. */
import type { Context } from "../handler";
import { quoteLog } from "../host/logs";
import { running } from "../host/pidFile";
import { sleep } from "../host/wait";
import { insideOf, launch, logFileOf, pidFileOf, type Exit, type Place } from "./container";
import { endContainer, killContainer } from "./endContainer";
import type { PodRecord } from "./podRecord";
import type { Container } from "./podSpec";
import { tryProbe } from "./probes";
import { NotReady, untilReady } from "./readiness";

export class PodProcesses {
  private readonly exits = new Map<string, Promise<Exit>>();

  constructor(
    private readonly record: PodRecord,
    private readonly directory: string,
    private readonly context: Context,
  ) {}

  get alive(): boolean {
    return this.spec.containers.every((container) => this.runs(container));
  }

  private get spec() {
    return this.record.template.spec;
  }

  private runs({ name }: Container): boolean {
    return running(pidFileOf(this.directory, name)) !== undefined;
  }

  private get place(): Place {
    const ports = new Map(Object.entries(this.record.ports).map(([port, local]) => [Number(port), local]));
    return { directory: this.directory, pod: this.record, spec: this.spec, ports, context: this.context };
  }

  /** Starts what does not run, and notes how in the record. */
  async start(container: Container): Promise<void> {
    if (this.runs(container) && this.record.launched[container.name]) return;
    await killContainer(container.name, this.directory);
    this.exits.delete(container.name);
    const { launched, exited } = await launch(container, this.place);
    this.record.launched[container.name] = launched;
    if (exited) this.exits.set(container.name, exited);
  }

  /** Undefined once all are ready; the reason where they have to be started anew. Throws where another try would not help. */
  async untilReady(deadline: number, deadlineSeconds: number): Promise<string | undefined> {
    const waits = this.spec.containers.map(async (container) => {
      const launched = this.record.launched[container.name];
      if (!launched) return `container ${container.name} was not started`;
      try {
        return await untilReady({
          container,
          launched,
          place: this.place,
          deadline,
          exit: () => this.exitOf(container),
        });
      } catch (error) {
        if (!(error instanceof NotReady)) throw error;
        const log = quoteLog(logFileOf(this.directory, container.name));
        throw new Error(
          `pod ${this.record.name} is not ready after ${deadlineSeconds} s: container ${container.name}: ${error.message}; ${log}`,
          { cause: error },
        );
      }
    });
    return (await Promise.all(waits)).find((reason) => reason !== undefined);
  }

  /** Throws where it has not ended by the deadline; it runs on then. */
  async untilEnd(container: Container, deadline = Infinity): Promise<Exit> {
    while (this.runs(container)) {
      if (Date.now() > deadline)
        throw new Error(`DeadlineExceeded: ${quoteLog(logFileOf(this.directory, container.name))}`);
      await sleep(25, this.context.signal);
    }
    return (await this.exitOf(container)) ?? { code: null, signal: null };
  }

  /** How a container's process has ended; the event comes a moment after the end. Unknown where another command started it. */
  private exitOf(container: Container): Promise<Exit | undefined> {
    return Promise.race([this.exits.get(container.name), sleep(1000).then(() => undefined)]);
  }

  /** Tries every readiness and liveness probe once; the first failure, or undefined. */
  async probe(): Promise<string | undefined> {
    for (const container of this.spec.containers) {
      const launched = this.record.launched[container.name];
      const inside = launched && insideOf(container, launched, this.place);
      if (!inside) return `container ${container.name} does not run`;
      for (const [kind, probe] of [
        ["Liveness", container.livenessProbe],
        ["Readiness", container.readinessProbe],
      ] as const) {
        const failure = probe && (await tryProbe(probe, inside));
        if (failure !== undefined) return `${kind} probe failed: ${failure}`;
      }
    }
    return undefined;
  }

  /** In order: each is asked to end, and killed after its grace period. */
  async end(hooks: boolean): Promise<void> {
    const grace = this.spec.terminationGracePeriodSeconds ?? 30;
    await Promise.all(
      this.spec.containers.map((container) => {
        const launched = this.record.launched[container.name];
        return launched
          ? endContainer(container, launched, this.place, grace, hooks)
          : killContainer(container.name, this.directory);
      }),
    );
  }

  async kill(): Promise<void> {
    for (const { name } of [...(this.spec.initContainers ?? []), ...this.spec.containers])
      await killContainer(name, this.directory, this.record.launched[name]?.docker);
  }
}
