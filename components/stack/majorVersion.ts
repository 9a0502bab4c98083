import * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";

/**
 * A deployment each, in this order. RDS upgrades only replicas of its own region along: one in another has to go before, and
 * Pulumi removes what is no longer wanted after all else, so that one deployment cannot do both. What is protected can only be removed
 * by the deployment after the one that takes the protection away.
 */
export const upgradeSteps = ["none", "release-replica", "remove-replica", "upgrade"] as const;
export type UpgradeStep = (typeof upgradeSteps)[number];

/** Whether there is no replica in this step. */
export const withoutReplica = (step?: UpgradeStep): boolean => step === "remove-replica" || step === "upgrade";

/** What is said in each deployment until the replica is there again, since a step that was forgotten looks like no other state. */
export const unfinished = (step: UpgradeStep, replicaWanted: boolean): string[] =>
  replicaWanted && withoutReplica(step)
    ? [
        `majorUpgrade is ${step}: there is no replica, and nothing receives a failover, until it is none again (docs/major-upgrade.md).`,
      ]
    : [];

/** Why this version may not be deployed; undefined where it may. */
export function versionProblem(recorded: string, now: string, step: UpgradeStep): string | undefined {
  if (recorded === now || step === "upgrade") return undefined;
  return (
    `postgresVersion is ${now}, but ${recorded} is recorded with this stack. A major upgrade stops the database and cannot be undone, so it is made in ` +
    `steps, and only by that which majorUpgrade names: docs/major-upgrade.md, also where RDS has refused it. Set postgresVersion back to ${recorded} until then; ` +
    `or, where the server runs ${now} already, set majorUpgrade to upgrade.`
  );
}

/**
 * Records the major version with the stack's first deployment and with each upgrade, and refuses another one. To be awaited before
 * anything else is made. The engine ignores a new value of what it keeps until a step of the upgrade says so.
 * @param first the version that the stack was made with, as versions of this program before this one recorded it
 */
export async function recordMajorVersion(now: string, step: UpgradeStep, first = now): Promise<void> {
  const upgrades = step === "upgrade";
  const { input } = new pulumi.Stash(
    "postgres-version",
    { input: upgrades ? now : first },
    { ignoreChanges: upgrades ? [] : ["input"] },
  );
  const recorded = await new Promise<string | undefined>((resolve) => input.apply(resolve));
  const problem = versionProblem(recorded ?? now, now, step);
  if (problem !== undefined) throw new RunError(problem);
}
