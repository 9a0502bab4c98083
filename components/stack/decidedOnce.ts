import * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";

/** What a stack is made with and keeps. With another value the database would be made anew, or the deployment fail halfway. */
export interface DecidedOnce {
  environment: string;
  primaryRegion: string;
  backupRegion: string;
  postgresVersion: string;
  /** "" where the program makes the key. */
  primaryKmsKeyArn: string;
  /** The EKS cluster's, and with it the primary's. */
  vpcId: string;
  createNamespace: boolean;
}

/**
 * The record of a stack that has failed over has the regions that it left, in their order, and where its primary is:
 * `failover/forget.ts`.
 */
export type Recorded = Partial<DecidedOnce> & {
  lostRegions?: readonly string[];
  promoted?: Promoted;
  restored?: Restored;
};

/**
 * What a stack's primary was made from. Its resources follow from what was recorded, not from the settings: these may
 * be taken away, and nothing changes.
 */
export interface Restored {
  /** ARN of automated backups, or of a snapshot; or "bucket", which alone it was. */
  from: string;
  /** UTC. Default: the newest moment that there is. */
  time?: string | undefined;
  /** Of the bucket that its source archived into, and of that one's key. */
  bucketArn: string;
  bucketKmsKeyArn: string;
}

/** Where the server answers that is promoted last, before that as well as afterwards. */
export interface Promoted {
  host: string;
  port: number;
  /** What RDS calls it. */
  identifier: string;
}

/** The version is the one value that may become another: by an upgrade (`majorVersion.ts`). */
type Kept = Exclude<keyof DecidedOnce, "postgresVersion">;
type Rules = { [K in Kept]: (now: DecidedOnce[K], first: DecidedOnce[K]) => string };

const was = (setting: string, now: unknown, first: unknown) =>
  `${setting} is ${now === "" ? "not set" : String(now)}, but this stack was made ${first === "" ? "without it" : `with ${String(first)}`}`;

/** Each says what would happen, and what to do instead. */
const rules: Rules = {
  environment: (now, first) =>
    `${was("environment", now, first)}. It names everything: all would be made anew, and the database deleted. ` +
    `Set it back, or make a new stack for another environment.`,
  primaryRegion: (now, first) =>
    `${was("primaryRegion", now, first)}. An empty database would be made there, and the one with the receipts deleted. ` +
    `Set it back, or make a new stack.`,
  backupRegion: (now, first) =>
    `${was("backupRegion", now, first)}. A bucket stays in its region, and locked objects keep it from being deleted. ` +
    `Set it back, or make a new stack.`,
  primaryKmsKeyArn: (now, first) =>
    `${was("primaryKmsKeyArn", now, first)}. RDS keeps the key of a database: an empty one would be made, and the one with the ` +
    `receipts deleted. Set it back.`,
  vpcId: (now, first) =>
    `eksClusterName leads to a cluster in ${now}, but this stack's primary is in ${first}, and RDS would refuse to move it halfway. ` +
    `Name a cluster in ${first}.`,
  createNamespace: (now, first) =>
    `${was("createNamespace", now, first)}. ` +
    (first
      ? "The namespace would be deleted with all that is in it. "
      : "The namespace is there and cannot be made. ") +
    `Set it back.`,
};

/**
 * What differs from what the stack was made with, each as one line. What was not recorded then is not compared.
 * @param lostRegion from which the settings say that the stack fails over
 * @param restored what the settings say that its primary is made from
 */
export function changedSince(first: Recorded, now: DecidedOnce, lostRegion?: string, restored?: Restored): string[] {
  const elsewhere = otherPlace(first, now.primaryRegion, lostRegion);
  if (elsewhere !== undefined) return [elsewhere];
  const changed = (Object.keys(rules) as Kept[]).filter((key) => first[key] !== undefined && first[key] !== now[key]);
  // Another region's cluster is in another VPC: one cause, one line.
  const told = changed.filter((key) => key !== "vpcId" || !changed.includes("primaryRegion"));
  const line = <K extends Kept>(key: K) => rules[key](now[key], first[key] as DecidedOnce[K]);
  return [...told.map((key) => line(key)), ...restoredOtherwise(first, restored)];
}

const inWords = ({ from, time }: Restored) => (time === undefined ? from : `${from} at ${time}`);

/** Nothing is restored over a database that is there. */
function restoredOtherwise({ restored: first }: Recorded, now: Restored | undefined): string[] {
  const same = (key: keyof Restored) => first?.[key] === now?.[key];
  if (now === undefined || (["from", "time", "bucketArn", "bucketKmsKeyArn"] as const).every(same)) return [];
  return [
    `restoreFrom is ${inWords(now)}, verified against ${now.bucketArn}, but this stack was made ` +
      `${first ? `from ${inWords(first)}, verified against ${first.bucketArn}` : "without it"}. Nothing is restored over a database ` +
      `that is there: make a new stack, or take restoreFrom and restoreTime away (docs/restore.md). Or, while no ` +
      `primary was made yet, or where its bucket alone was named wrongly, have it recorded: pulumi up --replace '**decided-once'`,
  ];
}

/**
 * Where settings and state do not agree on a failover, the deployment would begin with deleting a database that has
 * receipts.
 */
function otherPlace(
  { lostRegions = [], primaryRegion: there }: Recorded,
  now: string,
  lostRegion?: string,
): string | undefined {
  const last = lostRegions.at(-1);
  if (lostRegion === undefined)
    return now === last
      ? `failedOver is false and primaryRegion is ${now}, but this stack has failed over from there. An empty database would be made ` +
          `there, and the one with the receipts deleted. Set failedOver to true; or, for good, primaryRegion to ${there} (docs/failover.md).`
      : undefined;
  if (last === undefined || lostRegion === there)
    return (
      `failedOver is true, but this stack's state still has what is in ${lostRegion}: the deployment would call that region, and delete ` +
      `what it finds there. Have the state forget it first (docs/failover.md), or set failedOver to false.`
    );
  if (lostRegion !== last)
    return `primaryRegion is ${lostRegion}, but this stack has failed over from ${last}. Set it back.`;
  return now === there
    ? undefined
    : `replicaRegion is ${now}, but the server that was promoted is in ${there}. Set it back.`;
}

/**
 * Records these values with the stack's first deployment, and refuses others ever after. To be awaited before anything else is
 * made: it is decided in the preview already, since the engine itself keeps a stash and knows its output at any time. A stash's
 * output stays what it was first made with, whatever its input becomes. Its name holds none of these values: it would be another.
 */
export async function decideOnce(now: DecidedOnce, lostRegion?: string, restored?: Restored): Promise<Recorded> {
  const { output } = new pulumi.Stash("decided-once", { input: { ...now, ...(restored && { restored }) } });
  const first = await new Promise<Recorded | undefined>((resolve) => output.apply(resolve));
  if (first === undefined) throw new RunError("This stack is not deployed yet: deploy it once without --target.");
  const problems = changedSince(first, now, lostRegion, restored);
  if (problems.length > 0) throw new RunError(problems.join("\n"));
  return first;
}
