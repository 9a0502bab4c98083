/** What an instance refers to: found among the resources that exist, in its own region, as the service would. */
import type { Context, Properties, Resource } from "../../handler";
import { AwsError, parseArn, regionOf, text } from "../account";
import { catalogOf, loadableModules, postgres } from "./binaries";
import { majorOf, parameterGroupType, parametersOf } from "./parameterGroup";
import { checkParameters, settingsOf, type Parameter, type Settings } from "./parameters";

export const instanceType = "aws:rds/instance:Instance";

export type Resources = Pick<Context, "resources">;
export type Known = Pick<Context, "resources" | "substitutes">;

/** Of an instance class that nothing is known of. */
const usualMemoryGib = 16;

/** What AWS computes where the program says nothing, and a promoted replica inherits from its former source. */
const remembered = ["engine", "engineVersion", "username", "dbName", "storageEncrypted", "kmsKeyId"];

/** Inputs completed by what the instance already is. */
export function completed(inputs: Properties, current: Resource | undefined): Properties {
  if (current === undefined || inputs.replicateSourceDb !== undefined) return inputs;
  const known = remembered.map((property) => [property, inputs[property] ?? current.outputs[property]]);
  return { ...inputs, ...Object.fromEntries(known) } as Properties;
}

/** The instance that `replicateSourceDb` means: by its ARN anywhere, by its identifier in the same region only. */
export function sourceOf(inputs: Properties, context: Resources): Resource | undefined {
  const wanted = text(inputs.replicateSourceDb);
  if (wanted === undefined) return undefined;
  const region = regionOf(inputs, context);
  const instances = context.resources(instanceType);
  const found = instances.find(({ outputs }) =>
    wanted.startsWith("arn:") ? outputs.arn === wanted : outputs.identifier === wanted && outputs.region === region,
  );
  if (found !== undefined) return found;
  const elsewhere = instances.find(({ outputs }) => outputs.identifier === wanted);
  const hint = elsewhere ? ` in ${region}; it is in ${String(elsewhere.outputs.region)}: give its ARN instead` : "";
  throw new AwsError("DBInstanceNotFound", `The source instance could not be found: ${wanted}${hint}`);
}

/** The major version an instance asks for; a replica has its source's. */
export function majorVersionOf(inputs: Properties, context: Resources): number {
  const source = text(inputs.replicateSourceDb) === undefined ? undefined : sourceOf(inputs, context);
  if (source !== undefined) return majorVersionOf(completed(source.inputs, source), context);
  const asked = Number(/^\d+/.exec(text(inputs.engineVersion) ?? "")?.[0]);
  return Number.isNaN(asked) ? postgres().major : asked;
}

/** The parameter group of an instance; undefined for a default one, which nobody makes. */
export function groupOf(inputs: Properties, context: Resources): Resource | undefined {
  const name = text(inputs.parameterGroupName);
  const major = majorVersionOf(inputs, context);
  if (name === undefined || name === `default.postgres${major}`) return undefined;
  const region = regionOf(inputs, context);
  const groups = context.resources(parameterGroupType);
  const found = groups.find(({ outputs }) => outputs.name === name && outputs.region === region);
  if (found === undefined) {
    const elsewhere = groups.find(({ outputs }) => outputs.name === name);
    const hint = elsewhere ? ` in ${region}; it is in ${String(elsewhere.outputs.region)}` : "";
    throw new AwsError("DBParameterGroupNotFound", `DBParameterGroup not found: ${name}${hint}`);
  }
  const family = text(found.inputs.family);
  if (majorOf(family) !== major) {
    const message = `The parameter group ${name} with DBParameterGroupFamily ${family} can't be used for this instance. Please use a parameter group with DBParameterGroupFamily postgres${major}.`;
    throw new AwsError("InvalidParameterCombination", message);
  }
  return found;
}

/** The settings of the server behind an instance. */
export function settingsFor(inputs: Properties, context: Known): Settings {
  const group = groupOf(inputs, context);
  const major = majorVersionOf(inputs, context);
  const server = postgres(major);
  const parameters: Parameter[] = group ? parametersOf(group.inputs) : [];
  const { leftOut } = checkParameters(parameters, catalogOf(server), major, () => true);
  const memoryGib = memoryGibOf(inputs, context);
  return settingsOf(parameters, leftOut, {
    major: server.major,
    memory: memoryGib * 1024 ** 3,
    modules: loadableModules(server),
  });
}

export const memoryGibOf = (inputs: Properties, context: Pick<Context, "substitutes">): number =>
  context.substitutes.memoryGib(String(inputs.instanceClass)) ?? usualMemoryGib;

/** Throws what the service says of a KMS key that does not exist, or not in this region. */
export function checkKey(arn: string, property: string, region: string, context: Resources): void {
  const parsed = parseArn(arn);
  if (parsed?.service !== "kms")
    throw new AwsError("InvalidParameterValue", `"${property}" (${arn}) is not the ARN of a KMS key`);
  const types = ["aws:kms/key:Key", "aws:kms/alias:Alias"];
  const exists = types.some((type) => context.resources(type).some(({ outputs }) => outputs.arn === arn));
  if (parsed.region !== region || !exists) {
    const where = parsed.region === region ? "does not exist" : `is of ${parsed.region}, the instance of ${region}`;
    throw new AwsError("KMSKeyNotAccessibleFault", `The specified KMS key [${arn}] ${where}`);
  }
}
