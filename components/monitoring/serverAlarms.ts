import { type Alarm, gib, type Place, type Row } from "./alarm";
import type { InstanceCapacity } from "../aws/instanceClass";

/** What the thresholds of a server follow from. */
export interface ServerFacts {
  capacity: InstanceCapacity;
  storageGib: number;
}

/** What RDS itself publishes of each server. */
export function serverAlarms(place: Place, { capacity, storageGib }: ServerFacts): Alarm[] {
  // RDS grows the storage below 10 %; this is for when it cannot.
  const freeGib = Math.max(1, Math.round(storageGib * 0.05));
  const memoryMib = Math.round(capacity.memoryGib * 1024 * 0.05);
  const native = (metric: string, row: Row & { expression?: string }): Alarm => {
    const { expression, ...rest } = row;
    return {
      place,
      measured: { of: "server", metric, ...(expression !== undefined && { expression }) },
      statistic: "Average",
      period: 60,
      // RDS publishes each minute while a server is there; that one is gone is said by others.
      missing: "missing",
      ...rest,
      name: place === "primary" ? rest.name : `replica-${rest.name}`,
    };
  };
  return [
    native("FreeStorageSpace", {
      name: "storage-low",
      severity: "page",
      statistic: "Minimum",
      comparison: "below",
      threshold: freeGib * gib,
      datapoints: [3, 3],
      says: `Less than ${freeGib} GiB of the ${place}'s storage have been free for 3 minutes.`,
    }),
    native("FreeStorageSpace", {
      name: "storage-full-soon",
      severity: "ticket",
      statistic: "Minimum",
      period: 6 * 3600,
      expression: "IF(RATE(m1) < 0, m1 / -RATE(m1) / 86400, 999)",
      comparison: "below",
      threshold: 7,
      datapoints: [2, 2],
      says: `At the rate of the last hours the ${place}'s storage is full in less than 7 days.`,
    }),
    native("CPUUtilization", {
      name: "cpu-high",
      severity: "ticket",
      comparison: "above",
      threshold: 90,
      datapoints: [15, 15],
      says: `The ${place}'s CPU has been in use above 90 % for 15 minutes.`,
    }),
    native("FreeableMemory", {
      name: "memory-low",
      severity: "ticket",
      comparison: "below",
      threshold: memoryMib * 1024 ** 2,
      datapoints: [10, 10],
      says: `Less than ${memoryMib} MiB of the ${place}'s memory have been free for 10 minutes.`,
    }),
    ...(capacity.burstable
      ? [
          native("CPUCreditBalance", {
            name: "credits-low",
            severity: "ticket",
            // A new server begins with none, and the smallest earns 12 an hour: two hours say nothing yet.
            statistic: "Maximum",
            period: 3600,
            comparison: "below",
            threshold: 20,
            datapoints: [3, 3],
            says: `The ${place} has had fewer than 20 CPU credits for 3 hours: what it uses beyond its share is billed.`,
          }),
        ]
      : []),
  ];
}
