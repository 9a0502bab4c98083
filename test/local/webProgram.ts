/** Small programs for pods to run, and the questions that tests put to them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import type { Properties, Resource } from "../../cloud/handler";
import { running } from "../../cloud/host/pidFile";
import { FakeCluster, template } from "./fakeCluster";

export const server = `
const http = require("node:http"), fs = require("node:fs");
const answer = () => ({ env: process.env, argv: process.argv.slice(2), uid: process.getuid(), pid: process.pid, cwd: process.cwd(), version: process.env.VERSION });
let ready = !process.env.NEVER_READY;
http.createServer((request, response) => {
  if (request.url === "/ready") { response.statusCode = ready ? 200 : 503; return response.end(); }
  if (request.url === "/unready") { ready = false; return response.end(); }
  if (request.url.startsWith("/file")) return response.end(fs.readFileSync(request.url.slice(5)));
  setTimeout(() => response.end(JSON.stringify(answer())), request.url === "/slow" ? 400 : 0);
}).listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
console.log("listening");
`;

/** A cluster whose pods can run these. */
export async function clusterWithPrograms(): Promise<FakeCluster> {
  const cluster = await FakeCluster.start();
  await cluster.create("configMap", "programs", {
    data: {
      "server.js": server,
      "fail.js": `console.error("relation does not exist"); process.exit(3);`,
      "once.js": `const fs = require("fs"); const mark = process.argv[2]; if (!fs.existsSync(mark)) { fs.writeFileSync(mark, ""); process.exit(1); }`,
      "hello.js": `console.log("one"); setTimeout(() => { console.log("two"); process.exit(Number(process.argv[2] ?? 0)); }, 250);`,
      "half.js": `require("net").createServer({ allowHalfOpen: true }, (socket) => { let text = ""; socket.on("data", (d) => (text += d)); socket.on("end", () => socket.end(text.toUpperCase())); }).listen(Number(process.env.PORT), "127.0.0.1");`,
      "hang.js": `setInterval(() => undefined, 1000);`,
    },
  });
  return cluster;
}

/** A Deployment of the server above. */
export const web = (container: Properties = {}, spec: Properties = {}, replicas = 1): Properties => ({
  spec: {
    replicas,
    selector: { matchLabels: { app: "web" } },
    template: template(
      { app: "web" },
      {
        command: ["node", "/app/server.js"],
        ports: [{ name: "http", containerPort: 3000 }],
        readinessProbe: { httpGet: { path: "/ready", port: "http" } },
        ...container,
        env: [{ name: "PORT", value: "3000" }, ...((container["env"] as Properties[] | undefined) ?? [])],
      },
      spec,
    ),
    progressDeadlineSeconds: 20,
  },
});

/** The directories of a resource's pods. */
export const podsOf = (cluster: FakeCluster, resource: Resource) => {
  const pods = join(cluster.of(resource).directory, "pods");
  return existsSync(pods) ? readdirSync(pods).map((name) => join(pods, name)) : [];
};
export const pidsOf = (cluster: FakeCluster, resource: Resource) =>
  podsOf(cluster, resource).map((directory) => running(join(directory, "main.pid")));
/** Where the first pod of a resource has its port 3000. */
export const portOf = (cluster: FakeCluster, resource: Resource) => {
  const [directory = ""] = podsOf(cluster, resource);
  const record = JSON.parse(readFileSync(join(directory, "pod.json"), "utf8")) as { ports: Record<string, number> };
  return record.ports["3000"] ?? 0;
};

export interface Answer {
  env: Record<string, string>;
  argv: string[];
  uid: number;
  pid: number;
  version: string;
}
export const fetchText = (port: number, path = "/") =>
  new Promise<string>((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
export const ask = async (port: number, path = "/") => JSON.parse(await fetchText(port, path)) as Answer;
