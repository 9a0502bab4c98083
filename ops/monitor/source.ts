/** What the monitor is made of: sources, each of which asks one part of the deployment how it is. */
import type { Fields } from "../log";
import type { Samples } from "./metrics";
import type { Server } from "./server";

/** A part of the deployment that is well or not, for `/health/ready`. */
export type Part = "primary" | "pool" | "replica" | "lag" | "partitions" | "controlPlane" | "verification" | "archive";

/** In words that the deployment's operator may see: no address, no role, no text of a driver. */
export interface Finding {
  part: Part;
  /** Why it is not well; undefined where it is. */
  reason?: string;
}

export interface Collected {
  samples: Samples;
  findings?: Finding[];
  /** For the log: what is no number. */
  line?: { message: string; fields: Fields };
}

/** Where sources ask. */
export interface Access {
  primary: Server;
  replica?: Server | undefined;
  /** `host:port` of PgBouncer processes; a name stands for every address it leads to. */
  poolers: readonly string[];
  /** URL through the pool. */
  poolUrl: string;
  controlPlaneUrl: string;
  /** When the newest heartbeat was written, by the primary's clock; undefined before the first. */
  heartbeat: () => Date | undefined;
}

export interface Source {
  name: string;
  everySeconds: number;
  /** After this long it has failed, whatever it waits for. */
  timeoutSeconds: number;
  /** Which parts are not well where it fails, and what is said of them. */
  onFailure?: readonly Finding[];
  /** What can be said all the same where it fails. */
  unanswered?(access: Access): Samples;
  collect(access: Access, signal: AbortSignal): Promise<Collected>;
}

/** The difference to the last reading of a counter: none at the first, nor after it was reset. */
export function counter(): (reading: number) => number | undefined {
  let before: number | undefined;
  return (reading) => {
    const since = before === undefined || reading < before ? undefined : reading - before;
    before = reading;
    return since;
  };
}

/** The same for several counters by name; those without a difference are left out. */
export function counters<Name extends string>(): (readings: Record<Name, number>) => Partial<Record<Name, number>> {
  const known = new Map<Name, (reading: number) => number | undefined>();
  return (readings) => {
    const differences: Partial<Record<Name, number>> = {};
    for (const [name, reading] of Object.entries(readings) as [Name, number][]) {
      const count = known.get(name) ?? counter();
      known.set(name, count);
      const difference = count(reading);
      if (difference !== undefined) differences[name] = difference;
    }
    return differences;
  };
}
