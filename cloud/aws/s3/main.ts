/** S3 on this machine: one process for the buckets of all regions. */
import { dirname } from "node:path";
import { secretOf } from "../iam/keys";
import { identityOf } from "../iam/roles";
import { createS3 } from "./server";

const [root = "", port = ""] = process.argv.slice(2);
const above = dirname(root);
const { server, applyLifecycles } = createS3({
  root,
  identityOf: (accessKeyId) => identityOf(above, accessKeyId),
  // A key that nobody has would otherwise be one that has a secret.
  secretOf: (accessKeyId) => (identityOf(above, accessKeyId) ? secretOf(above, accessKeyId) : undefined),
});

server.listen(Number(port), "127.0.0.1", () => console.log("listening"));
server.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
const everyHour = 3600 * 1000;
const lifecycles = () => void applyLifecycles().catch((error: unknown) => console.error(error));
setInterval(lifecycles, everyHour);
lifecycles();
process.on("SIGTERM", () => process.exit(0));
