/** Services lead to ready pods, and go on doing so while pods die, roll over, stop and come back. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Properties, Resource } from "../../cloud/handler";
import { canListen } from "../../cloud/host/ports";
import { running } from "../../cloud/host/pidFile";
import { sleep } from "../../cloud/host/wait";
import { FakeCluster, servicePortOf, template } from "./fakeCluster";
import { ask, clusterWithPrograms, fetchText, pidsOf, podsOf, portOf, web } from "./webProgram";

let cluster: FakeCluster;
beforeAll(async () => {
  cluster = await clusterWithPrograms();
});
afterAll(() => cluster.end());

describe("a Service", () => {
  const service = (selector: Properties, targetPort: string | number = "http"): Properties => ({
    spec: { selector, ports: [{ port: 80, targetPort }] },
  });
  const failingFast = { annotations: { "pulumi.com/timeoutSeconds": "1" } };
  let deployment: Resource;
  let front: Resource;
  beforeAll(async () => {
    // At the same time, as an engine makes what does not depend on one another.
    [deployment, front] = await Promise.all([
      cluster.create("deployment", "web", web({}, {}, 2)),
      cluster.create("service", "front", service({ app: "web" })),
    ]);
  });

  it("leads to each ready pod in turn", async () => {
    // As in a cluster, the news of a pod reaches the Service a moment after it got ready.
    const pids = async () => {
      const answers = await Promise.all([1, 2, 3, 4].map(() => ask(servicePortOf(front))));
      return new Set(answers.map(({ pid }) => pid));
    };
    await expect.poll(async () => (await pids()).size).toBe(2);
  });

  it("is known to pods by its name", async () => {
    const client = await cluster.create("deployment", "client", {
      spec: {
        selector: { matchLabels: { app: "client" } },
        template: template(
          { app: "client" },
          { command: ["node", "/app/hang.js"], env: [{ name: "URL", value: "http://front:80/x" }] },
        ),
      },
    });
    const record = JSON.parse(readFileSync(join(podsOf(cluster, client)[0] ?? "", "pod.json"), "utf8")) as {
      launched: { main: { env: Record<string, string> } };
    };
    expect(record.launched.main.env["URL"]).toBe(`http://localhost:${servicePortOf(front)}/x`);
    await cluster.delete(client);
  });

  it("fails where its selector leads to no pod", async () => {
    const lost = cluster.create("service", "lost", { metadata: failingFast, ...service({ app: "wbe" }) });
    await expect(lost).rejects.toThrow("Service does not target any Pods");
  });

  it("fails where its pods do not have its port", async () => {
    const wrong = cluster.create("service", "wrong", { metadata: failingFast, ...service({ app: "web" }, "https") });
    await expect(wrong).rejects.toThrow(
      "targets port https, which the pods it selects do not declare (they have: 3000, http)",
    );
  });

  it("passes by a pod that has died", async () => {
    const [pid] = pidsOf(cluster, deployment);
    process.kill(pid ?? 0, "SIGKILL");
    while (pidsOf(cluster, deployment).includes(pid) || !(await canListen(portOf(cluster, deployment)))) await sleep(5);
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(servicePortOf(front))));
    expect(answers.every((answer) => answer.pid !== pid)).toBe(true);
  });

  it("and its Deployment are healed of killed processes, and need no second healing", async () => {
    const forwarder = running(join(cluster.of(front).directory, "proxy.pid"));
    process.kill(forwarder ?? 0, "SIGKILL");
    while (running(join(cluster.of(front).directory, "proxy.pid")) !== undefined) await sleep(5);
    const port = servicePortOf(front);
    expect(await cluster.heal(front)).toBe("restarted its forwarder");
    expect(await cluster.heal(deployment)).toBe("restarted 1 of 2");
    expect(await cluster.heal(front)).toBeUndefined();
    expect(await cluster.heal(deployment)).toBeUndefined();
    expect((await ask(port)).pid).toBeTypeOf("number");
    expect((await cluster.status(deployment))?.text).toMatch(/^2\/2 ready/);
  });

  it("passes on an end of sending while the answer is still to come", async () => {
    const half = await cluster.create("deployment", "half", {
      spec: {
        selector: { matchLabels: { app: "half" } },
        template: template(
          { app: "half" },
          {
            command: ["node", "/app/half.js"],
            ports: [{ containerPort: 3000 }],
            readinessProbe: { tcpSocket: { port: 3000 } },
            env: [{ name: "PORT", value: "3000" }],
          },
        ),
      },
    });
    const door = await cluster.create("service", "half", service({ app: "half" }, 3000));
    const answer = await new Promise<string>((resolve, reject) => {
      let text = "";
      const socket = connect({ host: "127.0.0.1", port: servicePortOf(door), allowHalfOpen: true }, () =>
        socket.end("question"),
      );
      socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      socket.on("end", () => resolve(text)).on("error", reject);
    });
    expect(answer).toBe("QUESTION");
    await Promise.all([cluster.delete(half), cluster.delete(door)]);
  });

  it("drops no request while its Deployment rolls over, each pod ending what it has begun", async () => {
    const lifecycle = { preStop: { exec: { command: ["sh", "-c", "sleep 0.6"] } } };
    const version = (value: string) => web({ lifecycle, env: [{ name: "VERSION", value }] }, {}, 2);
    deployment = await cluster.update(deployment, version("2"));
    const versions: string[] = [];
    const failures: unknown[] = [];
    let rolling = true;
    const client = async () => {
      while (rolling) {
        const asked = ask(servicePortOf(front), "/slow");
        await asked.then(
          (answer) => versions.push(answer.version),
          (error) => failures.push(error),
        );
      }
    };
    const clients = [client(), client(), client(), client()];
    await sleep(100);
    deployment = await cluster.update(deployment, version("3"));
    rolling = false;
    await Promise.all(clients);
    expect(failures).toEqual([]);
    expect(new Set(versions)).toEqual(new Set(["2", "3"]));
    expect((await ask(servicePortOf(front))).version).toBe("3");
    expect(pidsOf(cluster, deployment)).toHaveLength(2);
  });

  it("goes on with the old pods where the new ones do not get ready", async () => {
    const before = pidsOf(cluster, deployment);
    const broken = web({ env: [{ name: "NEVER_READY", value: "1" }] }, {}, 2);
    Object.assign(broken["spec"] as object, { progressDeadlineSeconds: 1 });
    await expect(cluster.update(deployment, broken)).rejects.toThrow("not ready after 1 s");
    expect((await ask(servicePortOf(front))).version).toBe("3");
    expect(before.every((pid) => pidsOf(cluster, deployment).includes(pid))).toBe(true);
  });

  it("stops and comes back on the same port", async () => {
    await cluster.stop(deployment);
    await cluster.stop(front);
    expect(pidsOf(cluster, deployment).filter(Boolean)).toEqual([]);
    const port = servicePortOf(front);
    await cluster.heal(front);
    expect(await cluster.heal(deployment)).toBe("restarted 2 of 2");
    expect((await ask(port)).version).toBe("3");
  });

  it("restarts a pod that stays unready", async () => {
    await fetchText(portOf(cluster, deployment), "/unready");
    expect((await cluster.status(deployment))?.healthy).toBe(false);
    expect(await cluster.heal(deployment)).toBe("restarted 1 of 2");
    expect((await cluster.status(deployment))?.healthy).toBe(true);
  }, 30_000);
});
