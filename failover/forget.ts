/** What a state must no longer know once a region is lost: whatever is registered again, or deleted, is a call to its region. */

type Values = Record<string, unknown>;

/** A resource as an engine's state has it: Pulumi's, and the local cloud's, which knows fewer properties. */
export interface Known {
  urn: string;
  type: string;
  /** Whether it is a provider's, and not a component. */
  custom?: boolean;
  inputs?: Values;
  outputs?: Values;
  dependencies?: string[];
  propertyDependencies?: Record<string, string[] | null>;
  deletedWith?: string;
}

export class NotThere extends Error {}

const stash = "pulumi:index:Stash";

const instance = "aws:rds/instance:Instance";

/** What the stack goes on keeping of what was decided once; the rest was decided with the region. */
const kept = ["environment", "backupRegion", "postgresVersion", "createNamespace", "restored"];

/**
 * The cluster, and with it everything of Kubernetes, was in the primary's region. The copying of backups is in another, but RDS may want
 * to hear of its end in both. The copies stay, and with them their key: it is protected, so that a deployment that makes no copies any
 * more would be refused while the state has it.
 */
function wasIn(region: string, { urn, type, inputs = {} }: Known): boolean {
  if (type.startsWith("kubernetes:") || type === "pulumi:providers:kubernetes") return true;
  if (!type.startsWith("aws:")) return false;
  return inputs["region"] === region || urn.includes("authensor:backup:BackupReplication$");
}

/**
 * Divides a state's resources into those that stay, which then depend on nothing that goes, and those that are forgotten. What stays
 * records the loss: the program is told of it in its settings, and refuses either without the other.
 * @throws NotThere where this is no state of this program whose primary is in that region, and whose replica is in another
 */
export function forget<R extends Known>(resources: readonly R[], region: string): { stays: R[]; forgotten: R[] } {
  const decision = resources.find(({ type, urn }) => type === stash && urn.endsWith("::decided-once"));
  const decided = decision?.outputs?.["output"] as Values | undefined;
  if (decided === undefined) throw new NotThere("this is no state of a deployed stack of this program");
  const { lostRegions = [], primaryRegion } = decided as { lostRegions?: string[]; primaryRegion?: string };
  if (primaryRegion !== region) {
    const already = lostRegions.at(-1) === region ? `this state has forgotten ${region} already: ` : "";
    throw new NotThere(`${already}the primary of this state is in ${String(primaryRegion)}, not in ${region}`);
  }
  const forgotten = resources.filter((resource) => wasIn(region, resource));
  const there = only(resources, (resource) => !wasIn(region, resource));
  const replica = there.find(({ type }) => type === instance);
  if (replica === undefined)
    throw new NotThere(
      `this state has no server outside ${region}: there is no replica to promote. What to do without one: docs/database-gone.md`,
    );
  const recorded = { ...pick(decided, kept), ...decidedWith(replica, there), lostRegions: [...lostRegions, region] };
  const stays = there.map((resource) =>
    resource.urn === decision?.urn ? { ...resource, outputs: { ...resource.outputs, output: recorded } } : resource,
  );
  return { stays, forgotten };
}

/** Those that are kept, which then depend on none that is not. */
function only<R extends Known>(resources: readonly R[], kept: (resource: R) => boolean): R[] {
  const there = resources.filter(kept);
  const urns = new Set(there.map(({ urn }) => urn));
  const known = (urn: string) => urns.has(urn);
  return there.map((resource) => {
    const { dependencies, propertyDependencies, deletedWith, ...rest } = resource;
    return {
      ...rest,
      ...(dependencies && { dependencies: dependencies.filter(known) }),
      ...(propertyDependencies && { propertyDependencies: eachFiltered(propertyDependencies, known) }),
      ...(deletedWith !== undefined && known(deletedWith) && { deletedWith }),
    } as R;
  });
}

const pick = (values: Values, keys: readonly string[]): Values =>
  Object.fromEntries(keys.filter((key) => key in values).map((key) => [key, values[key]]));

/** What is decided with the replica, which is the primary from now on, and where it answers before it is promoted. */
function decidedWith({ urn, inputs, outputs }: Known, stays: readonly Known[]): Values {
  const name = urn.slice(urn.lastIndexOf("::") + 2);
  const named = (type: string, wanted: string) =>
    stays.find((resource) => resource.type === type && resource.urn.endsWith(`::${wanted}`));
  return {
    primaryRegion: inputs?.["region"],
    vpcId: named("aws:ec2/securityGroup:SecurityGroup", name)?.inputs?.["vpcId"],
    primaryKmsKeyArn: named("aws:kms/key:Key", `${name}-key`) ? "" : inputs?.["kmsKeyId"],
    promoted: { host: outputs?.["address"], port: outputs?.["port"], identifier: outputs?.["identifier"] },
  };
}

const eachFiltered = (lists: Record<string, string[] | null>, keep: (urn: string) => boolean) =>
  Object.fromEntries(Object.entries(lists).map(([property, urns]) => [property, urns?.filter(keep) ?? null]));

/** What `pulumi stack export` writes, as far as it matters here. */
export interface Export {
  version: number;
  deployment: { resources?: Known[]; pending_operations?: { resource: Known }[] };
}

/** The same for what `pulumi stack import` takes. An operation that was cut off in the region will never be heard of. */
export function forgetInExport(exported: Export, region: string): { exported: Export; forgotten: Known[] } {
  const { resources = [], pending_operations: pending, ...rest } = exported.deployment;
  const { stays, forgotten } = forget(resources, region);
  const operations = pending?.filter(({ resource }) => !wasIn(region, resource));
  const deployment = { ...rest, resources: stays, ...(operations && { pending_operations: operations }) };
  return { exported: { ...exported, deployment }, forgotten };
}

/** What was forgotten, as the state of a stack of its own: it is destroyed from there once the region is back. */
export function leftInExport({ version, deployment }: Export, region: string, stack: string): Export {
  const { resources = [], pending_operations: _, ...rest } = deployment;
  const gone = new Set(forget(resources, region).forgotten.map(({ urn }) => urn));
  // What it hangs on: components, and the providers that reach it.
  const left = only(
    resources,
    ({ urn, type, custom }) => gone.has(urn) || !custom || type.startsWith("pulumi:providers:"),
  );
  const named = /urn:pulumi:[^:]+::/g;
  return JSON.parse(
    JSON.stringify({ version, deployment: { ...rest, resources: left } }).replaceAll(named, `urn:pulumi:${stack}::`),
  ) as Export;
}
