/** Where CloudWatch is on this machine. */
import { join } from "node:path";
import { type Endpoint, rootOf } from "../endpoint";

export const cloudWatch: Endpoint = {
  name: "CloudWatch",
  directory: "cloudwatch",
  main: join(__dirname, "main.ts"),
  variable: "AWS_ENDPOINT_URL_CLOUDWATCH",
};

/** Below the directory of all resources' directories. */
export const cloudWatchRoot = (root: string) => rootOf(cloudWatch, root);
