/** aws:rds/parameterGroup:ParameterGroup: checked as RDS checks it, when it is made and not when a server trips over it. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Context, Handler, Properties, Resource } from "../../handler";
import { allTags, arn, AwsError, regionOf, text } from "../account";
import { forgetGroup, writeGroup } from "./api/groups";
import { rdsRoot } from "./api/service";
import { catalogOf, knowsParameter, postgres } from "./binaries";
import { line } from "./configuration";
import { checkParameters, type Checked, type Parameter } from "./parameters";

export const parameterGroupType = "aws:rds/parameterGroup:ParameterGroup";

/** The parameters of a group as its inputs have them. */
export function parametersOf(inputs: Properties): Parameter[] {
  const given = (inputs.parameters ?? []) as Partial<Parameter>[];
  return given.map(({ name, value, applyMethod }) => ({
    name: String(name),
    value: String(value),
    applyMethod: applyMethod ?? "immediate",
  }));
}

/** The major version of a family such as "postgres17". */
export function majorOf(family: string | undefined): number {
  const major = /^postgres(\d+)$/.exec(family ?? "")?.[1];
  if (major === undefined)
    throw new AwsError("InvalidParameterValue", `ParameterGroupFamily ${family} is not a valid parameter group family`);
  return Number(major);
}

/** Throws what RDS would say of these parameters; `scratch` is a directory to have PostgreSQL try them in. */
function checkGroup(inputs: Properties, scratch: string): Checked {
  const major = majorOf(text(inputs.family));
  const parameters = parametersOf(inputs);
  const server = postgres(major);
  const checked = checkParameters(parameters, catalogOf(server), major, (name) => {
    writeFileSync(join(scratch, "postgresql.conf"), "");
    return knowsParameter(server, scratch, name);
  });
  // Enumerations and what else only the server can tell; formulas have no value yet.
  const triable = parameters.filter(
    ({ name, value }) => !checked.leftOut.includes(name) && !name.includes(".") && !value.includes("{"),
  );
  writeFileSync(join(scratch, "postgresql.conf"), triable.map(line).join(""));
  const tried = spawnSync(join(server.bin, "postgres"), ["-C", "max_connections", "-D", scratch], { encoding: "utf8" });
  if (tried.status !== 0) {
    const complaint = /(invalid value for parameter.*|parameter ".*|.* is outside the valid range.*)/.exec(
      tried.stderr,
    );
    const hint = /HINT:\s*(.*)/.exec(tried.stderr)?.[1];
    throw new AwsError(
      "InvalidParameterValue",
      [complaint?.[1] ?? tried.stderr.trim(), hint].filter(Boolean).join("; "),
    );
  }
  return checked;
}

function outputsOf(inputs: Properties, name: string, context: Context): Properties {
  const region = regionOf(inputs, context);
  return {
    description: "Managed by Pulumi",
    ...inputs,
    name,
    region,
    arn: arn("rds", region, `pg:${name}`),
    tagsAll: allTags(inputs, context),
  };
}

function announceGroup(name: string, inputs: Properties, context: Context): void {
  const group = {
    name,
    region: regionOf(inputs, context),
    major: majorOf(text(inputs.family)),
    parameters: parametersOf(inputs),
  };
  writeGroup(rdsRoot(dirname(context.directory)), group, context.serviceUser);
}

function report({ leftOut, notes }: Checked, inputs: Properties, context: Context): void {
  for (const note of notes) context.log(note);
  if (leftOut.length === 0) return;
  const { major } = postgres(majorOf(text(inputs.family)));
  context.log(`PostgreSQL ${major} of this machine does not know ${leftOut.join(", ")}; left out`);
}

export const parameterGroup: Handler = {
  replaceOnChange: ["name", "namePrefix", "family", "description", "region"],

  create(inputs, context) {
    const name = text(inputs.name) ?? context.physicalName.toLowerCase();
    if (!/^[a-z](-?[a-z0-9])*$/.test(name) || name.length > 255)
      throw new AwsError(
        "InvalidParameterValue",
        `The parameter DBParameterGroupName is not a valid identifier: ${name}`,
      );
    report(checkGroup(inputs, context.directory), inputs, context);
    announceGroup(name, inputs, context);
    return Promise.resolve({ id: name, outputs: outputsOf(inputs, name, context) });
  },

  /** The instances that use the group take the change over when they are looked after, which is after this. */
  update(current, inputs, context) {
    report(checkGroup(inputs, context.directory), inputs, context);
    announceGroup(current.id, inputs, context);
    return Promise.resolve(outputsOf(inputs, current.id, context));
  },

  /** Told again: what knows of it may have been lost. */
  heal(current, context) {
    announceGroup(current.id, current.inputs, context);
    return Promise.resolve(undefined);
  },

  delete(current, context) {
    const user = context
      .resources("aws:rds/instance:Instance")
      .find(
        (instance: Resource) =>
          instance.outputs.parameterGroupName === current.id && instance.outputs.region === current.outputs.region,
      );
    if (user !== undefined) {
      const message = `One or more database instances are still members of this parameter group ${current.id}, so the group cannot be deleted`;
      throw new AwsError("InvalidDBParameterGroupState", message);
    }
    forgetGroup(rdsRoot(dirname(context.directory)), { region: String(current.outputs.region), name: current.id });
    return Promise.resolve();
  },
};
