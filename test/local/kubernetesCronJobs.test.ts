/** CronJobs run at their time: real pods, and a clock that the tests turn. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Properties, Resource } from "../../cloud/handler";
import { readIfThere } from "../../cloud/host/files";
import { waitUntil } from "../../cloud/host/wait";
import { CronJobController } from "../../cloud/kubernetes/cronJob/controller";
import { runCronJob } from "../../cloud/kubernetes/cronJob/handler";
import { CronJobRun } from "../../cloud/kubernetes/cronJob/jobs";
import { token } from "../../cloud/kubernetes/objects";
import { Pod } from "../../cloud/kubernetes/pod";
import type { JobSpec } from "../../cloud/kubernetes/spec";
import { FakeCluster, namespace, template } from "./fakeCluster";
import { clusterWithPrograms } from "./webProgram";

let cluster: FakeCluster;
let controller: CronJobController;
let now: Date;
const logged: string[] = [];

beforeAll(async () => {
  cluster = await clusterWithPrograms();
});
afterAll(() => cluster.end());

/** As after a restart: what it knew is gone. */
const newController = () =>
  new CronJobController({
    cronJobs: () => cluster.resources(token.cronJob),
    context: (cronJob) => cluster.of(cronJob),
    now: () => now,
    log: (line) => void logged.push(line),
  });

beforeEach(() => {
  // Every CronJob is made, by the real clock, before the first time that it is due at.
  now = new Date(Math.ceil(Date.now() / 3_600_000) * 3_600_000);
  logged.length = 0;
  controller = newController();
});

// Also after one that failed: the next tests would run its CronJobs too, and wait for them.
afterEach(() => remove(...cluster.resources(token.cronJob)));

const turn = (minutes: number) => (now = new Date(now.getTime() + minutes * 60_000));

let number = 0;
const cronJob = (args: string[], spec: Properties = {}): Promise<Resource> =>
  cluster.create("cronJob", `job-${++number}`, {
    spec: {
      schedule: "*/5 * * * *",
      jobTemplate: {
        spec: {
          backoffLimit: 0,
          template: template(
            {},
            { command: ["node", ...args] },
            { restartPolicy: "Never", terminationGracePeriodSeconds: 0 },
          ),
        },
      },
      ...spec,
    },
  });
const hanging = (spec: Properties = {}) => cronJob(["/app/hang.js"], spec);

const runsOf = (resource: Resource) => CronJobRun.list(cluster.of(resource)).map(({ kept }) => kept);
const active = (resource: Resource) => runsOf(resource).filter(({ condition }) => condition === undefined);
const begun = (resource: Resource) =>
  waitUntil("its pod runs", () =>
    CronJobRun.list(cluster.of(resource)).some(({ pods }) => pods.some(({ alive }) => alive)),
  );

async function remove(...resources: Resource[]): Promise<void> {
  for (const resource of resources) await cluster.delete(resource);
  await controller.sync();
  await controller.idle();
}

test("a CronJob runs at its time, once, and is told of by its log", async () => {
  const made = await cronJob(["/app/hello.js"]);
  await controller.sync();
  await controller.sync();
  await controller.idle();
  expect(runsOf(made)).toEqual([
    expect.objectContaining({
      name: `job-${number}-${now.getTime() / 60_000}`,
      scheduledTime: now.toISOString(),
      condition: "Complete",
    }),
  ]);
  const [run] = CronJobRun.list(cluster.of(made));
  expect(readIfThere(run?.pods[0]?.log() ?? "")).toBe("one\ntwo\n");
  turn(4);
  await controller.sync();
  expect(runsOf(made)).toHaveLength(1);
  turn(1);
  await controller.sync();
  expect(active(made)).toHaveLength(1);
  await controller.idle();
});

test("what fails is kept as failed, and why, and the next one runs all the same", async () => {
  const made = await cronJob(["/app/fail.js"]);
  await controller.sync();
  await controller.idle();
  expect(runsOf(made)).toEqual([
    expect.objectContaining({
      condition: "Failed",
      reason: expect.stringContaining("relation does not exist") as string,
    }),
  ]);
  turn(5);
  await controller.sync();
  expect(active(made)).toHaveLength(1);
  await controller.idle();
});

test("of Jobs that have ended, as many are kept as the history limits say", async () => {
  const made = await cronJob(["/app/hello.js"], { successfulJobsHistoryLimit: 2 });
  for (let run = 0; run < 4; run++, turn(5)) {
    await controller.sync();
    await controller.idle();
  }
  const last = [10, 5].map((minutes) => new Date(now.getTime() - minutes * 60_000).toISOString());
  expect(runsOf(made).map(({ scheduledTime }) => scheduledTime)).toEqual(last);
});

test("one that forbids two at once is not started while a run goes on, and made up for when it ends", async () => {
  const made = await hanging({ concurrencyPolicy: "Forbid" });
  await controller.sync();
  await begun(made);
  const [first] = active(made);
  turn(10);
  await controller.sync();
  expect(active(made)).toEqual([first]);
  await CronJobRun.list(cluster.of(made))[0]?.end();
  await controller.idle();
  await controller.sync();
  expect(active(made)).toEqual([expect.objectContaining({ scheduledTime: now.toISOString() })]);
});

test("one that allows two runs beside the one before, one that replaces it ends it", async () => {
  const both = await hanging({ concurrencyPolicy: "Allow" });
  const single = await hanging({ concurrencyPolicy: "Replace" });
  await controller.sync();
  await Promise.all([begun(both), begun(single)]);
  turn(5);
  await controller.sync();
  expect(active(both)).toHaveLength(2);
  expect(runsOf(single)).toEqual([expect.objectContaining({ scheduledTime: now.toISOString() })]);
});

test("a controller that was away makes up for the last start that it missed, and repeats none", async () => {
  const made = await cronJob(["/app/hello.js"]);
  await controller.sync();
  await controller.idle();
  turn(23);
  controller = newController();
  await controller.sync();
  await controller.idle();
  await controller.sync();
  const missed = new Date(Math.floor(now.getTime() / 300_000) * 300_000);
  expect(runsOf(made).slice(1)).toEqual([expect.objectContaining({ scheduledTime: missed.toISOString() })]);
});

test("a Job whose controller was killed is run again by the next one, and its first pod ended", async () => {
  const made = await hanging({ schedule: "@yearly" });
  const context = cluster.of(made);
  const { spec } = (made.inputs["spec"] as { jobTemplate: { spec: JobSpec } }).jobTemplate;
  const job = { name: "abandoned", namespace, spec };
  const run = CronJobRun.create({ ...job, scheduledTime: now.toISOString() }, now, context);
  const first = Pod.create(spec.template, job, 0, context, run.directory);
  const ended = first.run(Infinity);
  await waitUntil("its first pod runs", () => first.alive);
  await controller.sync();
  expect(run.pods).toHaveLength(1);
  const file = join(run.directory, "job.json");
  writeFileSync(file, JSON.stringify({ ...run.kept, runner: "999999999 of-a-dead-process" }));
  await controller.sync();
  await waitUntil("another pod runs", () => run.pods.some(({ name, alive }) => name !== first.name && alive));
  expect(await ended).toMatchObject({ code: 1 });
  expect(active(made)).toHaveLength(1);
});

test("a person's run neither holds up the schedule nor is ended by it", async () => {
  const made = await hanging({ concurrencyPolicy: "Replace" });
  const manual = runCronJob(made, cluster.of(made), () => undefined);
  await begun(made);
  await controller.sync();
  await waitUntil("both run", () =>
    CronJobRun.list(cluster.of(made)).every(({ pods }) => pods.some(({ alive }) => alive)),
  );
  expect(active(made).map(({ scheduledTime }) => scheduledTime)).toEqual([undefined, now.toISOString()]);
  await remove(made);
  expect(await manual).toBe(1);
});

test("a change of the template is for the runs to come", async () => {
  const made = await hanging({ concurrencyPolicy: "Forbid" });
  await controller.sync();
  await begun(made);
  const inputs = JSON.parse(JSON.stringify(made.inputs).replace("/app/hang.js", "/app/hello.js")) as Properties;
  const updated = await cluster.update(made, inputs);
  await controller.sync();
  expect(JSON.stringify(active(updated))).toContain("/app/hang.js");
  await CronJobRun.list(cluster.of(updated))[0]?.end();
  await controller.idle();
  turn(5);
  await controller.sync();
  expect(JSON.stringify(active(updated))).toContain("/app/hello.js");
  await controller.idle();
});

test("a CronJob that is deleted takes its run along and leaves nothing behind", async () => {
  const made = await hanging();
  const { directory } = cluster.of(made);
  await controller.sync();
  await begun(made);
  const [pod] = CronJobRun.list(cluster.of(made))[0]!.pods;
  await remove(made);
  expect(pod!.alive).toBe(false);
  expect(existsSync(directory) ? readdirSync(directory) : []).toEqual([]);
});

test("one that cannot be run does not hold up the others", async () => {
  const broken = await cronJob(["/app/hello.js"]);
  (broken.inputs["spec"] as Properties)["schedule"] = "nonsense";
  const made = await cronJob(["/app/hello.js"]);
  await controller.sync();
  await controller.idle();
  expect(runsOf(made)).toHaveLength(1);
  expect(logged.join("\n")).toContain(`CronJob ${broken.name}: `);
});
