/** Waits for a container to become ready, as its probes define it. */
import { running } from "../host/pidFile";
import { sleep } from "../host/wait";
import { describeEnd, insideOf, pidFileOf, type Exit, type Launched, type Place } from "./container";
import { tryProbe } from "./probes";
import type { Container, Probe } from "./podSpec";

/** A container that cannot become ready in the time it has: another try would not help. */
export class NotReady extends Error {}

export interface Watched {
  container: Container;
  launched: Launched;
  place: Place;
  /** What became of the process, once it has ended. */
  exit: () => Promise<Exit | undefined>;
  /** When the wait ends (Date.now()). */
  deadline: number;
}

/** Without a readiness probe a container is ready once it runs; this long it must have run to count as running. */
const settledMs = 200;

/** Undefined once ready; the reason where it has to be started anew: it ended, or its startup or liveness probe gave up. */
export async function untilReady(watched: Watched): Promise<string | undefined> {
  const { container } = watched;
  const began = Date.now();
  const { startupProbe, readinessProbe, livenessProbe } = container;
  if (startupProbe) {
    const patience =
      (startupProbe.initialDelaySeconds ?? 0) +
      (startupProbe.failureThreshold ?? 3) * (startupProbe.periodSeconds ?? 10);
    const started = await poll(watched, startupProbe, "Startup", Math.min(watched.deadline, began + patience * 1000));
    if (started !== undefined) return started;
  }
  if (!readinessProbe) {
    await sleep(settledMs, watched.place.context.signal);
    return ended(watched);
  }
  const liveness = livenessProbe && new Liveness(livenessProbe, began);
  return poll(watched, readinessProbe, "Readiness", watched.deadline, liveness);
}

async function poll(
  watched: Watched,
  probe: Probe,
  kind: string,
  until: number,
  liveness?: Liveness,
): Promise<string | undefined> {
  const { place, container, launched, deadline } = watched;
  let successes = 0;
  // A person waits: probed more often than by its period, less often the longer it takes.
  for (let pause = 40; ; pause = Math.min(500, pause * 1.2)) {
    const inside = insideOf(container, launched, place);
    if (!inside) return ended(watched);
    const failure = await tryProbe(probe, inside);
    if (failure === undefined && ++successes >= (probe.successThreshold ?? 1)) return undefined;
    if (failure !== undefined) successes = 0;
    if (Date.now() > until) {
      const text = `${kind} probe failed: ${failure ?? "too few successes"}`;
      if (until < deadline) return text;
      throw new NotReady(text);
    }
    const dead = await liveness?.check(inside);
    if (dead !== undefined) return dead;
    await sleep(pause, place.context.signal);
  }
}

async function ended({ container, place, exit }: Watched): Promise<string | undefined> {
  if (running(pidFileOf(place.directory, container.name)) !== undefined) return undefined;
  return describeEnd(container, await exit(), place.directory);
}

/** A liveness probe at its own pace. */
class Liveness {
  private failures = 0;
  private next: number;

  constructor(
    private readonly probe: Probe,
    began: number,
  ) {
    this.next = began + ((probe.initialDelaySeconds ?? 0) + (probe.periodSeconds ?? 10)) * 1000;
  }

  async check(inside: Parameters<typeof tryProbe>[1]): Promise<string | undefined> {
    if (Date.now() < this.next) return undefined;
    this.next = Date.now() + (this.probe.periodSeconds ?? 10) * 1000;
    const failure = await tryProbe(this.probe, inside);
    this.failures = failure === undefined ? 0 : this.failures + 1;
    return this.failures >= (this.probe.failureThreshold ?? 3) ? `Liveness probe failed: ${failure}` : undefined;
  }
}
