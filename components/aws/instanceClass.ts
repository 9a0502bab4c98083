/** What an RDS instance class has to give. */
export interface InstanceCapacity {
  vcpus: number;
  memoryGib: number;
  /** T classes: a share of each vCPU, bursts paid from credits. */
  burstable: boolean;
}

// AWS, "Hardware specifications for DB instance classes". Burstable sizes follow no ratio of memory to vCPUs.
const burstableSizes: Readonly<Record<string, Omit<InstanceCapacity, "burstable">>> = {
  micro: { vcpus: 2, memoryGib: 1 },
  small: { vcpus: 2, memoryGib: 2 },
  medium: { vcpus: 2, memoryGib: 4 },
  large: { vcpus: 2, memoryGib: 8 },
  xlarge: { vcpus: 4, memoryGib: 16 },
  "2xlarge": { vcpus: 8, memoryGib: 32 },
};

const burstableFamilies = ["t3", "t4g"];

// GiB per vCPU, and the sizes that exist in units of an xlarge (4 vCPUs).
const upTo16 = [0.5, 1, 2, 4, 8, 12, 16];
const upTo24 = [...upTo16, 24];
const upTo32 = [...upTo24, 32];
const upTo48 = [...upTo24, 48];
const families: Readonly<Record<string, { gibPerVcpu: number; multiples: readonly number[] }>> = {
  m5: { gibPerVcpu: 4, multiples: upTo24 },
  m6g: { gibPerVcpu: 4, multiples: upTo16 },
  m6i: { gibPerVcpu: 4, multiples: upTo32 },
  m7g: { gibPerVcpu: 4, multiples: upTo16 },
  m7i: { gibPerVcpu: 4, multiples: upTo48 },
  m8g: { gibPerVcpu: 4, multiples: upTo48 },
  r5: { gibPerVcpu: 8, multiples: upTo24 },
  r6g: { gibPerVcpu: 8, multiples: upTo16 },
  r6i: { gibPerVcpu: 8, multiples: upTo32 },
  r7g: { gibPerVcpu: 8, multiples: upTo16 },
  r7i: { gibPerVcpu: 8, multiples: upTo48 },
  r8g: { gibPerVcpu: 8, multiples: upTo48 },
  x2g: { gibPerVcpu: 16, multiples: upTo16 },
};

/** Families that `instanceCapacity` knows, for messages. */
export const knownFamilies: readonly string[] = [...burstableFamilies, ...Object.keys(families)];

/** What a class such as `db.r7g.large` has, or undefined where it is not known: then nothing can be sized for it. */
export function instanceCapacity(instanceClass: string): InstanceCapacity | undefined {
  const [prefix, family = "", size = "", ...rest] = instanceClass.split(".");
  if (prefix !== "db" || rest.length > 0) return undefined;
  if (burstableFamilies.includes(family)) {
    const capacity = burstableSizes[size];
    return capacity && { ...capacity, burstable: true };
  }
  const known = families[family];
  const multiple = size === "large" ? 0.5 : size === "xlarge" ? 1 : Number(/^([1-9]\d*)xlarge$/.exec(size)?.[1]);
  if (known === undefined || !known.multiples.includes(multiple) || size === "1xlarge") return undefined;
  const vcpus = multiple * 4;
  return { vcpus, memoryGib: vcpus * known.gibPerVcpu, burstable: false };
}

/** Of a class that the settings have found to be known. */
export function capacityOf(instanceClass: string): InstanceCapacity {
  const capacity = instanceCapacity(instanceClass);
  if (capacity === undefined) throw new Error(`${instanceClass} is not an instance class that this program knows`);
  return capacity;
}

const bytesPerConnection = 9_531_392;

/**
 * RDS' own default for PostgreSQL, LEAST({DBInstanceClassMemory/9531392}, 5000), from the nominal memory. RDS subtracts
 * what its agents need, so its figure is somewhat lower: a max_connections above this one is past what AWS itself would set.
 */
export function defaultMaxConnections({ memoryGib }: InstanceCapacity): number {
  return Math.min(Math.floor((memoryGib * 1024 ** 3) / bytesPerConnection), 5000);
}

/** The least memory, in GiB, that RDS' own default would give so many connections. */
export const memoryGibFor = (maxConnections: number) => Math.ceil((maxConnections * bytesPerConnection) / 1024 ** 3);
