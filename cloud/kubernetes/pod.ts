/** A pod: a directory with its record, its containers' files and logs, its processes, and its place behind services. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../handler";
import { makeDirectory, writeWhole } from "../host/files";
import { sleep } from "../host/wait";
import { describeEnd, logFileOf, type Exit } from "./container";
import { environmentOf } from "./environment";
import { sameChoice } from "./images";
import { readMounts } from "./mounts";
import { digest } from "./objects";
import { PodProcesses } from "./podProcesses";
import { entryOf, newRecord, type PodRecord } from "./podRecord";
import type { Container, PodTemplate } from "./podSpec";
import { publishPod, serviceAddresses, serviceText, withdrawPod } from "./registry";

/** A container that dies this often on its way to readiness is not tried again. */
const attempts = 5;

export class Pod {
  private readonly processes: PodProcesses;

  private constructor(
    readonly record: PodRecord,
    private readonly directory: string,
    private readonly context: Context,
  ) {
    this.processes = new PodProcesses(record, directory, context);
  }

  static create(
    template: PodTemplate,
    owner: { name: string; namespace: string },
    slot: number,
    context: Context,
    home = context.directory,
  ): Pod {
    const record = newRecord(template, owner, slot, context);
    return new Pod(record, join(home, "pods", record.name), context);
  }

  /** The pods of the context's resource, or of one of its Jobs, oldest slot first; what was never written down is not one. */
  static list(context: Context, home = context.directory): Pod[] {
    const root = join(home, "pods");
    let names: string[];
    try {
      names = readdirSync(root);
    } catch {
      return [];
    }
    const pods = names.flatMap((name) => {
      try {
        const record = JSON.parse(readFileSync(join(root, name, "pod.json"), "utf8")) as PodRecord;
        return [new Pod(record, join(root, name), context)];
      } catch {
        return [];
      }
    });
    return pods.sort((a, b) => a.record.slot - b.record.slot);
  }

  get name(): string {
    return this.record.name;
  }

  get templateHash(): string {
    return digest(this.record.template);
  }

  get ready(): boolean {
    return this.record.ready && this.alive;
  }

  get alive(): boolean {
    return this.processes.alive;
  }

  /** Whether addresses and programs of this machine are still those that the pod was started with. */
  get current(): boolean {
    const services = serviceAddresses(this.context);
    return this.spec.containers.every((container) => {
      const launched = this.record.launched[container.name];
      return (
        launched !== undefined &&
        sameChoice(container.image, launched.choice, this.context.substitutes.images) &&
        Object.entries(launched.services).every(([key, text]) => serviceText(services, key) === text)
      );
    });
  }

  /** "node (127.0.0.1:20123)". */
  get text(): string {
    const programs = [...new Set(Object.values(this.record.launched).map(({ what }) => what))].join("+");
    const ports = Object.values(this.record.ports).map((port) => `127.0.0.1:${port}`);
    return ports.length > 0 ? `${programs} (${ports.join(", ")})` : programs;
  }

  private get spec() {
    return this.record.template.spec;
  }

  /** Starts what does not run and returns once the pod is ready; announces it then. Throws where it does not get there. */
  async bringUp(deadlineSeconds: number, minReadySeconds = 0): Promise<void> {
    const deadline = Date.now() + deadlineSeconds * 1000;
    for (let attempt = 1; ; attempt++) {
      await this.start();
      const reason = await this.processes.untilReady(deadline, deadlineSeconds);
      if (reason === undefined) {
        await sleep(minReadySeconds * 1000, this.context.signal);
        if (this.alive) return this.announce(true);
      }
      if (attempt >= attempts || Date.now() > deadline)
        throw new Error(`CrashLoopBackOff: pod ${this.name}: ${reason ?? "it ended"}`);
      await this.kill();
      await sleep(Math.min(125 * 2 ** attempt, 4000), this.context.signal);
    }
  }

  private async start(): Promise<void> {
    makeDirectory(this.directory, this.context.serviceUser);
    for (const { containerPort } of this.spec.containers.flatMap((container) => container.ports ?? [])) {
      // While one of the containers runs, the port is the one it was started with.
      if (!this.alive || this.record.ports[containerPort] === undefined)
        this.record.ports[containerPort] = await this.context.port(`${this.record.slot}/${containerPort}`);
    }
    this.announce(false);
    for (const container of this.spec.initContainers ?? []) await this.initialise(container);
    for (const container of this.spec.containers) await this.startContainer(container);
  }

  private async startContainer(container: Container): Promise<void> {
    await this.processes.start(container);
    this.save();
  }

  private async initialise(container: Container): Promise<void> {
    await this.startContainer(container);
    const exit = await this.untilEnd(container);
    if (exit.code === 0) return;
    throw new Error(`Init:Error: pod ${this.name}: ${describeEnd(container, exit, this.directory)}`);
  }

  /** Refuses references to what is not there, without starting anything. */
  check(): void {
    for (const container of [...(this.spec.initContainers ?? []), ...this.spec.containers]) {
      environmentOf(container, this.record, this.context);
      readMounts(container, this.spec, this.record, this.context);
    }
  }

  /** Runs a pod that ends by itself. Returns the first container that failed and its exit code, 0 where none did. */
  async run(deadline: number): Promise<{ code: number; container: string; reason: string }> {
    await this.start();
    for (const container of this.spec.containers) {
      const exit = await this.untilEnd(container, deadline);
      if (exit.code === 0) continue;
      const reason = describeEnd(container, exit, this.directory);
      return { code: exit.code ?? 1, container: container.name, reason };
    }
    return { code: 0, container: "", reason: "" };
  }

  private async untilEnd(container: Container, deadline = Infinity): Promise<Exit> {
    try {
      return await this.processes.untilEnd(container, deadline);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Tries every readiness and liveness probe once; the first failure, or undefined. */
  probe(): Promise<string | undefined> {
    return this.processes.probe();
  }

  /** Tells the services of the pod's namespace whether it takes connections. */
  announce(ready: boolean): void {
    this.record.ready = ready;
    this.save();
    publishPod(this.context, this.record.namespace, entryOf(this.record));
  }

  private withdraw(): void {
    this.record.ready = false;
    this.save();
    withdrawPod(this.context, this.record.namespace, this.name);
  }

  /** Out of the services first, then an orderly end. The pod can be brought up again. */
  async end(how: { hooks: boolean } = { hooks: true }): Promise<void> {
    this.withdraw();
    await this.processes.end(how.hooks);
  }

  /** Ends all of its processes at once; its log stays. */
  async kill(): Promise<void> {
    this.withdraw();
    await this.processes.kill();
  }

  /** Ends it in order and removes all that is left of it. */
  async remove(): Promise<void> {
    await this.end();
    await this.kill();
    this.withdraw();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Removes what a pod that has ended need not leave behind: the secrets among its files. The log stays. */
  tidy(): void {
    this.withdraw();
    for (const name of ["files", "volumes", "home"])
      rmSync(join(this.directory, name), { recursive: true, force: true });
    for (const launched of Object.values(this.record.launched)) launched.env = {};
    this.save();
  }

  log(container = this.spec.containers[0]?.name ?? ""): string {
    return logFileOf(this.directory, container);
  }

  private save(): void {
    makeDirectory(this.directory, this.context.serviceUser);
    writeWhole(join(this.directory, "pod.json"), JSON.stringify(this.record));
  }
}
