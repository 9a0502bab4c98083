/** Dashboards as resources: each is written down for the process that serves CloudWatch's API. */
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Context, Handler, Properties } from "../../handler";
import { writeWhole } from "../../host/files";
import { AwsError } from "../account";
import { recordedOutputs } from "../recorded";
import { readDashboard } from "./dashboard";
import { dashboardFile, files } from "./definitions";
import { cloudWatchRoot } from "./service";

export const dashboardType = "aws:cloudwatch/dashboard:Dashboard";

const rootOf = (context: Context) => cloudWatchRoot(dirname(context.directory));

function put(inputs: Properties, context: Context) {
  const [name, body] = [String(inputs["dashboardName"]), String(inputs["dashboardBody"])];
  if (!/^[\w-]{1,255}$/.test(name))
    throw new AwsError("InvalidParameterValue", "dashboardName: letters, digits, - and _, 255 at most");
  readDashboard(body);
  mkdirSync(files(rootOf(context)).dashboards, { recursive: true });
  writeWhole(dashboardFile(rootOf(context), name), body, { owner: context.serviceUser });
  return recordedOutputs(inputs, context);
}

export const dashboard: Handler = {
  replaceOnChange: ["dashboardName", "region"],
  // A dashboard's name is the account's.
  deleteBeforeReplace: () => true,
  // eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
  create: async (inputs, context) => put(inputs, context),
  // eslint-disable-next-line @typescript-eslint/require-await
  update: async (_current, inputs, context) => put(inputs, context).outputs,
  // eslint-disable-next-line @typescript-eslint/require-await
  async delete(current, context) {
    rmSync(dashboardFile(rootOf(context), String(current.outputs["dashboardName"])), { force: true });
  },
};
