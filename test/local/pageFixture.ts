/** The page over a database of its own and a CloudWatch whose alarms and values a test decides. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { MetricAlarm, States } from "../../cloud/aws/cloudwatch/definitions";
import { answer } from "../../cloud/aws/cloudwatch/protocol";
import { Store } from "../../cloud/aws/cloudwatch/store";
import { alarmsFor } from "../../components/monitoring/alarmTable";
import { dashboardBody } from "../../components/monitoring/dashboardBody";
import { buildFiles } from "../../local/page/build";
import { readFiles } from "../../local/page/server/main";
import { createPage } from "../../local/page/server/server";
import { roles } from "../../ops/roles";
import { startPostgres, type TestDatabase } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { alarmThresholds } from "../alarmThresholds";

export const token = "the token of a test";

/** What an agent may call itself, and send. */
export const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

const region = "eu-central-1";
const server = { capacity: { vcpus: 2, memoryGib: 4, burstable: true }, storageGib: 100 };
const rows = alarmsFor({
  thresholds: alarmThresholds,
  copies: true,
  drills: true,
  retires: true,
  primary: server,
  replica: server,
  monthsAhead: 3,
});
const arnOf = (name: string) => `arn:aws:cloudwatch:${region}:123456789012:alarm:authensor-test-${name}`;

export interface PageFixture {
  url: string;
  database: TestDatabase;
  /** Of the hostile receipt, which has changed once. */
  receipt: string;
  store: Store;
  enter(alarm: string, state: "OK" | "ALARM"): void;
  /** Whether CloudWatch answers. */
  cloudWatchAnswers: boolean;
  stop(): Promise<void>;
}

export async function startPageFixture(): Promise<PageFixture> {
  const postgres = await startPostgres();
  const database = await postgres.createDatabase({ migrated: true });
  const receipt = await fill(database);
  const states: States = {};
  const store = new Store();
  const alarms = rows.map((row) => ({
    kind: "metric",
    ...{ name: `authensor-test-${row.name}`, arn: arnOf(row.name), region },
    description: `${row.says} Runbook: docs/runbooks/${row.name}.md`,
    actions: {},
    condition: {},
  })) as unknown as MetricAlarm[];
  const arns = Object.fromEntries(rows.map(({ name }) => [name, arnOf(name)]));
  const watched = { region, identifier: "db-1" };
  const body = JSON.stringify(dashboardBody({ environment: "test", rows, arns, primary: watched, replica: watched }));
  const fixture = { cloudWatchAnswers: true };
  const cloudWatch = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (!fixture.cloudWatchAnswers) return void request.socket.destroy();
      const cloud = { store, states, alarms: () => alarms, now: () => Date.now() / 1000, dashboard: () => body };
      response.end(JSON.stringify(answer({ headers: request.headers, body: Buffer.concat(parts) }, cloud)));
    });
  });
  const endpoint = await listening(cloudWatch);

  const directory = mkdtempSync(join(tmpdir(), "page-"));
  for (const [name, content] of await buildFiles(join(__dirname, "../../docs"))) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  process.env["DATABASE_URL"] = database.url(roles.auditor);
  const gate = { token, port: 0 };
  const page = createPage({
    gate,
    files: readFiles(directory),
    cloudWatch: { endpoint, region },
    dashboard: "authensor-test-dashboard",
  });
  const url = await listening(page);
  gate.port = Number(new URL(url).port);

  const enter = (alarm: string, state: "OK" | "ALARM") =>
    void (states[arnOf(alarm)] = { state, reason: "a test says so", since: new Date().toISOString() });
  for (const { name } of rows) enter(name, "OK");
  return Object.assign(fixture, {
    ...{ url, database, receipt, store, enter },
    async stop() {
      for (const one of [page, cloudWatch]) {
        one.closeAllConnections();
        one.close();
      }
      rmSync(directory, { recursive: true });
      await postgres.stop();
    },
  });
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function fill(database: TestDatabase): Promise<string> {
  const app = await database.connect(roles.app);
  const receipt = newReceipt({
    actor_id: hostile,
    tool_name: hostile,
    envelope: { action: { resource: hostile, parameters: { note: "findable" } } },
  });
  await insertReceipts(app, [receipt, ...Array.from({ length: 20 }, () => newReceipt({ actor_id: "billing-bot" }))]);
  await app.query("update receipts set rekor_entry_id = $2, updated_at = now() where id = $1", [receipt.id, hostile]);
  await app.end();
  return receipt.id;
}
