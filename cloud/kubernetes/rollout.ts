/** Brings a Deployment's pods to what its spec says, never below what it promises to keep available. */
import type { Context } from "../handler";
import { digest, type Identity } from "./objects";
import { Pod } from "./pod";
import type { Deployment } from "./spec";

type Spec = Deployment["spec"];

/** What may be above and below the wanted number of pods during an update. */
export function rolloutBounds(spec: Spec): { desired: number; surge: number; unavailable: number } {
  const desired = spec.replicas ?? 1;
  if (spec.strategy?.type === "Recreate") return { desired, surge: 0, unavailable: desired };
  const { maxSurge = "25%", maxUnavailable = "25%" } = spec.strategy?.rollingUpdate ?? {};
  const of = (bound: number | string, round: (n: number) => number) =>
    typeof bound === "number" ? bound : round((parseInt(bound, 10) * desired) / 100);
  const surge = of(maxSurge, Math.ceil);
  const unavailable = of(maxUnavailable, Math.floor);
  // Both round to none at few replicas: the Deployment controller then allows one to be unavailable.
  return { desired, surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** Starts, replaces and ends pods until the spec is met. Returns what it did, for a person to read. */
export async function rollOut(
  spec: Spec,
  owner: Identity & { namespace: string },
  context: Context,
): Promise<string | undefined> {
  const { desired, surge, unavailable } = rolloutBounds(spec);
  const wanted = digest(spec.template);
  const done = { started: 0, restarted: 0, replaced: 0 };
  const ending: Promise<void>[] = [];
  let pods = Pod.list(context);
  const end = (leaving: Pod[]) => {
    pods = pods.filter((pod) => !leaving.includes(pod));
    ending.push(...leaving.map((pod) => pod.remove()));
  };
  const isOld = (pod: Pod) => pod.templateHash !== wanted || (pod.alive && !pod.current);
  const availableSpare = () => pods.filter((pod) => pod.ready).length - (desired - unavailable);
  try {
    const first = Object.fromEntries(pods.map((pod) => [pod.name, isOld(pod)]));
    const old = () => pods.filter((pod) => first[pod.name] ?? false);
    const fresh = () => pods.filter((pod) => !(first[pod.name] ?? false));
    end(old().filter((pod) => !pod.ready)); // of no use to anybody
    end(fresh().slice(desired));
    for (;;) {
      const missing = desired - fresh().length;
      const starting = fresh().filter((pod) => !pod.ready);
      done.restarted += starting.length;
      // Like the Deployment controller: what is already ending does not count, except where no two versions may meet.
      if (spec.strategy?.type === "Recreate" && old().length === 0) await Promise.all(ending);
      const room = Math.min(missing, desired + surge - pods.length);
      for (let i = 0; i < room; i++) starting.push(addPod());
      await allOf(starting.map((pod) => pod.bringUp(spec.progressDeadlineSeconds ?? 600, spec.minReadySeconds)));
      const leaving = old().slice(0, Math.max(0, availableSpare()));
      done.replaced += leaving.length;
      end(leaving);
      if (old().length === 0 && fresh().length >= desired) break;
    }
  } catch (error) {
    // What did not become ready is of no use; what served before goes on serving.
    await Promise.all(pods.filter((pod) => !pod.ready).map((pod) => pod.kill()));
    await Promise.allSettled(ending);
    throw error;
  }
  await allOf(ending);
  done.started -= done.replaced;
  const text = Object.entries(done).flatMap(([verb, count]) => (count > 0 ? [`${verb} ${count} of ${desired}`] : []));
  return text.length > 0 ? text.join(", ") : undefined;

  function addPod(): Pod {
    const used = new Set(
      Pod.list(context)
        .map((pod) => pod.record.slot)
        .concat(pods.map((pod) => pod.record.slot)),
    );
    let slot = 0;
    while (used.has(slot)) slot++;
    const pod = Pod.create(spec.template, owner, slot, context);
    pods.push(pod);
    done.started++;
    return pod;
  }
}

/** Waits for all of them, so that nothing goes on behind the back of a failure; then throws the first. */
async function allOf(work: Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
