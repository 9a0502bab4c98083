/** The parameter groups that RDS' API knows of: a file each, written by the handler that made or changed one. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, readIfThere, writeWhole } from "../../../host/files";
import type { ServiceUser } from "../../../host/user";
import { AwsError } from "../../account";
import { catalogOf, loadableModules, postgres } from "../binaries";
import type { Known } from "./known";
import { checkParameters, settingsOf, type Parameter, type Settings } from "../parameters";

interface Group {
  name: string;
  region: string;
  major: number;
  parameters: Parameter[];
}

const groups = (rds: string) => join(rds, "groups");
const fileOf = (rds: string, { region, name }: Pick<Group, "region" | "name">) =>
  join(groups(rds), `${region}.${name}.json`);

export function writeGroup(rds: string, group: Group, owner: ServiceUser | undefined): void {
  makeDirectory(rds, owner);
  makeDirectory(groups(rds), owner);
  writeWhole(fileOf(rds, group), JSON.stringify(group), { owner });
}

export function forgetGroup(rds: string, which: Pick<Group, "region" | "name">): void {
  rmSync(fileOf(rds, which), { force: true });
}

/** That of the engine's version, whichever this machine runs in its place. */
const majorOf = ({ engineVersion }: Pick<Known, "engineVersion">): number => parseInt(engineVersion, 10);

export const defaultGroup = (of: Pick<Known, "engineVersion">): string => `default.postgres${majorOf(of)}`;

/** What the group of an instance, the default one or another, comes to on its server. */
export function groupSettings(rds: string, instance: Known): Settings {
  const { region, parameterGroup: name, memoryGib } = instance;
  const binaries = postgres(instance.major);
  const major = majorOf(instance);
  const parameters = name === defaultGroup(instance) ? [] : parametersOf(rds, { region, name, major });
  const { leftOut } = checkParameters(parameters, catalogOf(binaries), major, () => true);
  const modules = loadableModules(binaries);
  return settingsOf(parameters, leftOut, { major: binaries.major, memory: memoryGib * 1024 ** 3, modules });
}

function parametersOf(rds: string, { region, name, major }: Pick<Group, "region" | "name" | "major">): Parameter[] {
  const content = /^[a-z][a-z0-9.-]*$/.test(name) ? readIfThere(fileOf(rds, { region, name })) : undefined;
  if (content === undefined) throw new AwsError("DBParameterGroupNotFound", `DBParameterGroup not found: ${name}`);
  const group = JSON.parse(content) as Group;
  if (group.major === major) return group.parameters;
  throw new AwsError(
    "InvalidParameterCombination",
    `The parameter group ${name} with DBParameterGroupFamily postgres${group.major} can't be used for this instance. Please use a parameter group with DBParameterGroupFamily postgres${major}.`,
  );
}
