/** Where S3 is on this machine. */
import { join } from "node:path";
import { type Endpoint, rootOf } from "../endpoint";

export const s3: Endpoint = {
  name: "S3",
  directory: "s3",
  main: join(__dirname, "main.ts"),
  variable: "AWS_ENDPOINT_URL_S3",
};

/** Below the directory of all resources' directories. */
export const s3Root = (root: string) => rootOf(s3, root);
