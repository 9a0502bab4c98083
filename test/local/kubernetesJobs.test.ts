/** Jobs run to their end, CronJobs when they are asked to. */
import { chownSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Properties } from "../../cloud/handler";
import { findCronJob, runCronJob } from "../../cloud/kubernetes/job";
import { FakeCluster, template } from "./fakeCluster";
import { clusterWithPrograms, podsOf } from "./webProgram";

let cluster: FakeCluster;
beforeAll(async () => {
  cluster = await clusterWithPrograms();
});
afterAll(() => cluster.end());

describe("a Job", () => {
  const job = (args: string[], spec: Properties = {}): Properties => ({
    spec: {
      template: template({}, { command: ["node", ...args] }, { restartPolicy: "Never" }),
      backoffLimit: 0,
      ...spec,
    },
  });

  it("has run to its end when it is made", async () => {
    const done = await cluster.create("job", "greeting", job(["/app/hello.js"]));
    expect(done.outputs["status"]).toMatchObject({ succeeded: 1 });
    expect(readFileSync(join(podsOf(cluster, done)[0] ?? "", "main.log"), "utf8")).toBe("one\ntwo\n");
  });

  it("leaves none of its files behind but the log", async () => {
    const done = await cluster.create("job", "tidy", job(["/app/hello.js"]));
    expect(readdirSync(podsOf(cluster, done)[0] ?? "").sort()).toEqual(["main.log", "main.pid", "pod.json"]);
  });

  it("fails the deployment with its last lines", async () => {
    const failing = cluster.create("job", "broken", job(["/app/fail.js"]));
    await expect(failing).rejects.toThrow(
      /BackoffLimitExceeded after 1 try: container main exited with 3;.*relation does not exist/s,
    );
  });

  it("is tried again within its backoff limit", async () => {
    const mark = join(cluster.root, "mark");
    const user = cluster.serviceUser;
    if (user) chownSync(cluster.root, user.uid, user.gid);
    const done = await cluster.create("job", "second-try", job(["/app/once.js", mark], { backoffLimit: 1 }));
    expect(podsOf(cluster, done)).toHaveLength(2);
  });

  it("is ended at its deadline", async () => {
    const late = cluster.create("job", "late", job(["/app/hang.js"], { activeDeadlineSeconds: 1 }));
    await expect(late).rejects.toThrow("DeadlineExceeded");
  });

  it("needs a restart policy that lets it end", async () => {
    const wrong = job(["/app/hello.js"]);
    (wrong["spec"] as { template: { spec: Properties } }).template.spec["restartPolicy"] = "Always";
    await expect(cluster.create("job", "endless", wrong)).rejects.toThrow('valid values: "OnFailure", "Never"');
  });
});

describe("a CronJob", () => {
  const cron = (args: string[]): Properties => ({
    spec: {
      schedule: "15 3 * * *",
      jobTemplate: {
        spec: { backoffLimit: 0, template: template({}, { command: ["node", ...args] }, { restartPolicy: "Never" }) },
      },
    },
  });

  it("runs on demand, passes its log on while it runs, and returns the exit code", async () => {
    await cluster.create("cronJob", "authensor-partitions", cron(["/app/hello.js", "4"]));
    const found = findCronJob(cluster.resources("kubernetes:batch/v1:CronJob"), "partitions");
    if (!found) throw new Error("not found");
    const pieces: string[] = [];
    expect(await runCronJob(found, cluster.of(found), (text) => pieces.push(text))).toBe(4);
    expect(pieces.join("")).toBe("one\ntwo\n");
    expect(pieces.length).toBeGreaterThan(1);
  });

  it("is refused at once where its pods would not find what they need", async () => {
    const wrong = JSON.parse(JSON.stringify(cron(["/app/hello.js"])).replaceAll('"programs"', '"none"')) as Properties;
    const broken = JSON.parse(
      JSON.stringify(wrong).replaceAll('"name":"none","mountPath"', '"name":"none","mountPath"'),
    ) as Properties;
    await expect(cluster.create("cronJob", "nightly", broken)).rejects.toThrow('configmap "none" not found');
  });
});
