/** Jobs run to their end, CronJobs when they are asked to. */
import { chownSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Properties } from "../../cloud/handler";
import { findCronJob, runCronJob } from "../../cloud/kubernetes/cronJob/handler";
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

  const policy = (...rules: Properties[]): Properties => ({ podFailurePolicy: { rules } });
  const exitCodes = (...values: number[]) => ({ onExitCodes: { operator: "In", values } });

  it("fails at the first try where its failure policy calls the exit code final", async () => {
    const spec = { backoffLimit: 3, ...policy({ action: "FailJob", ...exitCodes(2, 3) }) };
    const failing = cluster.create("job", "final", job(["/app/fail.js"], spec));
    await expect(failing).rejects.toThrow(/^PodFailurePolicy, FailJob rule at index 0: container main exited with 3/);
  });

  it("counts what no rule fits: another exit code, and a disruption, of which there is none here", async () => {
    const rules = policy(
      { action: "FailJob", ...exitCodes(2) },
      { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
    );
    const failing = cluster.create("job", "counted", job(["/app/fail.js"], { backoffLimit: 1, ...rules }));
    await expect(failing).rejects.toThrow("BackoffLimitExceeded after 2 tries");
  });

  it("does not use up a try for a failure that its policy ignores", async () => {
    const spec = { backoffLimit: 0, ...policy({ action: "Ignore", ...exitCodes(1) }) };
    const done = await cluster.create(
      "job",
      "ignored",
      job(["/app/once.js", join(cluster.root, "ignored-mark")], spec),
    );
    expect(podsOf(cluster, done)).toHaveLength(2);
  });

  it("that fails for ever, and whose policy ignores it, is ended at its deadline", async () => {
    const spec = { activeDeadlineSeconds: 1, ...policy({ action: "Ignore", ...exitCodes(3) }) };
    await expect(cluster.create("job", "for-ever", job(["/app/fail.js"], spec))).rejects.toThrow("DeadlineExceeded");
  });

  it.each([
    [
      "a failure policy with restarts",
      policy({ action: "FailJob", ...exitCodes(2) }),
      "OnFailure",
      "only Never is supported",
    ],
    ["success as a failure", policy({ action: "FailJob", ...exitCodes(0) }), "Never", "must not be 0"],
    [
      "exit codes out of order",
      policy({ action: "FailJob", ...exitCodes(3, 2) }),
      "Never",
      "must be ordered and unique",
    ],
    [
      "a rule that says nothing",
      policy({ action: "Ignore" }),
      "Never",
      "exactly one of onExitCodes and onPodConditions",
    ],
    [
      "a rule about no container of its",
      policy({ action: "FailJob", onExitCodes: { containerName: "other", operator: "In", values: [2] } }),
      "Never",
      "must be one of the container names, not other",
    ],
  ])("with %s is refused", async (_what, spec, restartPolicy, why) => {
    const wrong = job(["/app/hello.js"], spec);
    (wrong["spec"] as { template: { spec: Properties } }).template.spec["restartPolicy"] = restartPolicy;
    await expect(cluster.create("job", "wrong-policy", wrong)).rejects.toThrow(why);
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
