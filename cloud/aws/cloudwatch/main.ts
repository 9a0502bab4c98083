/** CloudWatch on this machine: one process for all regions, which takes metrics and evaluates alarms every ten seconds. */
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { readIfThere, writeWhole } from "../../host/files";
import { AwsError } from "../account";
import { dashboardFile, files, readAlarms, readJson, readStates } from "./definitions";
import { Evaluator } from "./evaluator";
import { path, take } from "./ofServices";
import { answer } from "./protocol";
import { Store } from "./store";

const [root = "", port = ""] = process.argv.slice(2);
const paths = files(root);
const store = Store.from(readJson<unknown>(paths.metrics, []));
const states = readStates(root);
const evaluator = new Evaluator(store, states, (action) =>
  appendFileSync(paths.actions, `${JSON.stringify(action)}\n`, { mode: 0o600 }),
);
const now = () => Date.now() / 1000;

const save = () => writeWhole(paths.metrics, JSON.stringify(store));

async function evaluateForEver(): Promise<never> {
  for (;;) {
    try {
      evaluator.evaluate(readAlarms(root), now());
      writeWhole(paths.states, JSON.stringify(states));
    } catch (error) {
      console.error((error as Error).message);
    }
    // Until the next whole ten seconds.
    await sleep(10_000 - (Date.now() % 10_000));
  }
}

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const reply = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(body));
    const body = Buffer.concat(parts);
    try {
      if (request.url === path) {
        take(body, store);
        reply(200, {});
        return;
      }
      const dashboard = (name: string) => readIfThere(dashboardFile(root, name));
      const cloud = { store, states, now, alarms: () => readAlarms(root), dashboard };
      reply(200, answer({ headers: request.headers, body }, cloud));
    } catch (error) {
      const code = error instanceof AwsError ? error.code : "InvalidParameterValue";
      reply(code === "MissingAuthenticationToken" ? 403 : 400, { __type: code, message: (error as Error).message });
    }
  });
});

server.listen(Number(port), "127.0.0.1", () => console.log("listening"));
server.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
process.on("SIGTERM", () => {
  save();
  process.exit(0);
});
setInterval(() => {
  store.forgetBefore(now());
  save();
}, 60_000);
void evaluateForEver();
