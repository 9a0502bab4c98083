/** S3 on this machine: one process for the buckets of all regions. */
import { dirname } from "node:path";
import { secretOf } from "../iam/keys";
import { createS3 } from "./server";

const [root = "", port = ""] = process.argv.slice(2);
const server = createS3({ root, secretOf: (accessKeyId) => secretOf(dirname(root), accessKeyId) });

server.listen(Number(port), "127.0.0.1", () => console.log("listening"));
server.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
process.on("SIGTERM", () => process.exit(0));
