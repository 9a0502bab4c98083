/** RDS' API on this machine: one process for the instances of all regions. */
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { answer } from "./protocol";

const [directory = "", port = ""] = process.argv.slice(2);
const rds = { directory, reboots: new Set<string>() };

const server = createServer((request, response) => {
  void text(request).then((body) => {
    const { status, xml } = answer({ headers: request.headers, body }, rds);
    response.writeHead(status, { "content-type": "text/xml" }).end(xml);
  });
});

server.listen(Number(port), "127.0.0.1", () => console.log("listening"));
server.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
process.on("SIGTERM", () => process.exit(0));
