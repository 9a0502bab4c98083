/** Roles and their policies as resources. */
import { dirname } from "node:path";
import type { Context, Created, Handler, Properties, Resource } from "../../handler";
import { AwsError } from "../account";
import { recordedOutputs } from "../recorded";
import { readPolicy } from "./policy";
import { removePolicy, removeRole, writePolicy, writeRole } from "./roles";

const rootOf = (context: Context) => dirname(context.directory);

/** @param write returns whether something was missing or different */
function handler(
  write: (made: Created, context: Context) => boolean,
  remove: (current: Resource, context: Context) => void,
  replaceOnChange: readonly string[],
): Handler {
  // eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
  const put = async (inputs: Properties, context: Context) => {
    const made = recordedOutputs(inputs, context);
    write(made, context);
    return made;
  };
  return {
    replaceOnChange,
    create: put,
    update: async (_current, inputs, context) => (await put(inputs, context)).outputs,
    // eslint-disable-next-line @typescript-eslint/require-await
    delete: async (current, context) => remove(current, context),
    // eslint-disable-next-line @typescript-eslint/require-await
    heal: async (current, context) => (write(current, context) ? { did: "written down again" } : undefined),
  };
}

const role = handler(
  ({ id, outputs }, context) => writeRole(rootOf(context), id, String(outputs["arn"]), context.serviceUser),
  ({ id }, context) => removeRole(rootOf(context), id),
  ["name", "namePrefix", "path"],
);

const rolePolicy = handler(
  ({ outputs }, context) => {
    const [name, of, policy] = ["name", "role", "policy"].map((key) => String(outputs[key]));
    try {
      readPolicy(policy!);
    } catch (error) {
      throw new AwsError("MalformedPolicyDocument", (error as Error).message);
    }
    return writePolicy(rootOf(context), { role: of!, name: name!, policy: policy! }, context.serviceUser);
  },
  ({ outputs }, context) => removePolicy(rootOf(context), String(outputs["role"]), String(outputs["name"])),
  ["name", "namePrefix", "role"],
);

export const handlers: Record<string, Handler> = {
  "aws:iam/role:Role": role,
  "aws:iam/rolePolicy:RolePolicy": rolePolicy,
};
