/** Where RDS' API is on this machine. */
import { join } from "node:path";
import { type Endpoint, rootOf } from "../../endpoint";

export const rdsApi: Endpoint = {
  name: "RDS",
  directory: "rds",
  main: join(__dirname, "main.ts"),
  variable: "AWS_ENDPOINT_URL_RDS",
};

/** Below the directory of all resources' directories. */
export const rdsRoot = (root: string) => rootOf(rdsApi, root);
