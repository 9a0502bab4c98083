/** Reboots what waits for it, one server after the other, each only once the one before is back. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log";
import { Failure } from "../program";
import type { Instance } from "./instance";
import { rebootOrder, type Which } from "./order";

export interface RebootOptions {
  log: Log;
  signal: AbortSignal;
  /** How long RDS may take for one step. */
  waitSeconds: number;
  /** How often RDS is asked. */
  pollMilliseconds: number;
}

export type Instances = { primary: Instance; replica?: Instance | undefined };

/** Returns the instances that it has rebooted. Where nothing waits, RDS is not even asked. */
export async function rebootWhatWaits({ primary, replica }: Instances, options: RebootOptions): Promise<string[]> {
  const waiting = [...(await primary.waiting()), ...((await replica?.waiting()) ?? [])];
  const order = rebootOrder(waiting);
  const rebooted: string[] = [];
  for (const which of order) {
    const instance = which === "primary" ? primary : replica;
    if (instance === undefined || (await instance.waiting()).length === 0) continue;
    if (which === "replica" && order[0] === "primary") await caughtUp(primary, instance, options);
    if (await rebootOne(which, instance, options)) rebooted.push(instance.identifier);
  }
  return rebooted;
}

/** Returns whether it had to: an earlier run may have asked for the reboot just before it was killed. */
async function rebootOne(which: Which, instance: Instance, options: RebootOptions): Promise<boolean> {
  const { identifier } = instance;
  const parameters = (await instance.waiting()).map(
    ({ what, expected, actual }) => `${what}: ${actual} to ${expected}`,
  );
  let before: string | undefined;
  await until(`RDS reports pending-reboot for ${identifier}`, options, async () => {
    const { status, pendingReboot } = await instance.state();
    if (status !== "available") return false;
    if ((await instance.waiting()).length === 0) return true;
    const startedAt = await instance.startedAt();
    if (!pendingReboot || !(await instance.reboot())) return false;
    before = startedAt;
    return true;
  });
  if (before === undefined) return false;
  options.log.info(`the ${which} is being rebooted`, { instance: identifier, parameters });
  // RDS may call it available for a moment still: that it has started anew is what counts.
  await until(`${identifier} has started anew`, options, async () => {
    const { status } = await instance.state();
    return status === "available" && (await instance.startedAt()) !== before;
  });
  const left = await instance.waiting();
  if (left.length > 0)
    throw new Failure(
      `${identifier} was rebooted and still differs from the deployed configuration`,
      left.map(({ what, expected, actual }) => `${what}: expected ${expected}, is ${actual}`),
    );
  options.log.info(`the ${which} is back, with its parameters in force`, { instance: identifier });
  return true;
}

/** A standby takes less than before only once it has replayed that its primary has. */
async function caughtUp(primary: Instance, replica: Instance, options: RebootOptions): Promise<void> {
  const position = await primary.position();
  await until(`${replica.identifier} has replayed what the primary had written`, options, () =>
    replica.hasReplayed(position),
  );
}

/** Asks until the answer is yes. */
async function until(what: string, options: RebootOptions, done: () => Promise<boolean>): Promise<void> {
  const { waitSeconds, pollMilliseconds, signal } = options;
  const end = Date.now() + 1000 * waitSeconds;
  while (!(await done())) {
    if (Date.now() > end)
      throw new Failure(`waited ${waitSeconds} s until ${what}, in vain: see the instance's events, then deploy again`);
    await sleep(pollMilliseconds, undefined, { signal });
  }
}
