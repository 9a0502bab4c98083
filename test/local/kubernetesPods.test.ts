/** Pods and what they are made of: processes of this machine, with the environment and files of a kubelet. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Resource } from "../../cloud/handler";
import { pidFiles, processMark, running } from "../../cloud/host/pidFile";
import { sleep } from "../../cloud/host/wait";
import { FakeCluster } from "./fakeCluster";
import { ask, clusterWithPrograms, pidsOf, podsOf, portOf, server, web, type Answer } from "./webProgram";

let cluster: FakeCluster;
beforeAll(async () => {
  process.env["LEAKED_FROM_THE_SHELL"] = "1";
  cluster = await clusterWithPrograms();
  await cluster.create("configMap", "settings", {
    data: { "app.ini": "listen_port = 3000\ndirectory = /app\n", COLOUR: "green" },
  });
  await cluster.create("secret", "password", { stringData: { password: "s3cret" } });
});
afterAll(() => cluster.end());

describe("a pod", () => {
  let pod: Resource;
  let answer: Answer;
  beforeAll(async () => {
    pod = await cluster.create(
      "deployment",
      "contents",
      web(
        {
          args: ["--colour=$(COLOUR)", "$$(COLOUR)", "$(MISSING)"],
          envFrom: [{ configMapRef: { name: "settings" }, prefix: "CM_" }],
          env: [
            { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "COLOUR" } } },
            { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "password", key: "password" } } },
            { name: "MAYBE", valueFrom: { secretKeyRef: { name: "none", key: "none", optional: true } } },
            { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
            { name: "URL", value: "http://$(COLOUR):$(PASSWORD)@web.testing.svc/?ca=/secrets/ca.pem" },
          ],
          volumeMounts: [
            { name: "programs", mountPath: "/app" },
            { name: "secrets", mountPath: "/secrets" },
            { name: "settings", mountPath: "/etc/app.ini", subPath: "app.ini" },
            { name: "scratch", mountPath: "/scratch" },
          ],
        },
        {
          volumes: [
            { name: "programs", configMap: { name: "programs" } },
            {
              name: "secrets",
              secret: { secretName: "password", defaultMode: 0o440, items: [{ key: "password", path: "ca.pem" }] },
            },
            { name: "settings", configMap: { name: "settings" } },
            { name: "scratch", emptyDir: { medium: "Memory" } },
          ],
        },
      ),
    );
    answer = await ask(portOf(cluster, pod));
  });
  const file = (path: string) => join(podsOf(cluster, pod)[0] ?? "", path);

  it("has the environment that it declares, expanded and translated", () => {
    expect(answer.env).toMatchObject({ COLOUR: "green", CM_COLOUR: "green", PASSWORD: "s3cret", IP: "127.0.0.1" });
    expect(answer.env["POD"]).toMatch(/^contents-[0-9a-f]{10}-[0-9a-f]{5}$/);
    expect(answer.env["URL"]).toBe(`http://green:s3cret@web.testing.svc/?ca=${file("files/main/secrets/ca.pem")}`);
    expect(answer.env["PORT"]).toBe(String(portOf(cluster, pod)));
    expect(answer.env).not.toHaveProperty("MAYBE");
  });

  it("gets nothing from the shell that made it", () => {
    expect(answer.env).not.toHaveProperty("LEAKED_FROM_THE_SHELL");
    expect(answer.env["HOME"]).toBe(file("home/main"));
  });

  it("gets its arguments expanded, an escape and an unknown name left alone", () => {
    expect(answer.argv).toEqual(["--colour=green", "$(COLOUR)", "$(MISSING)"]);
  });

  it("does not run as root", () => {
    expect(answer.uid).toBe(cluster.serviceUser?.uid ?? process.getuid?.());
    expect(answer.uid).not.toBe(0);
  });

  it("has its secrets readable for its own user alone, and not writable", () => {
    const secret = statSync(file("files/main/secrets/ca.pem"));
    expect(secret.mode & 0o777).toBe(0o400);
    expect(secret.uid).toBe(answer.uid);
    expect(readFileSync(file("files/main/secrets/ca.pem"), "utf8")).toBe("s3cret");
    expect(readdirSync(file("files/main/secrets"))).toEqual(["ca.pem"]);
  });

  it("has a single mounted file translated, and programs as they were written", () => {
    expect(readFileSync(file("files/main/etc/app.ini"), "utf8")).toBe(
      `listen_port = ${portOf(cluster, pod)}\ndirectory = ${file("files/main/app")}\n`,
    );
    expect(readFileSync(file("files/main/app/server.js"), "utf8")).toBe(server);
  });

  it("has a directory of its own to write in", () => {
    expect(statSync(file("volumes/scratch")).uid).toBe(answer.uid);
  });

  it("leaves no process and no file when it is deleted", async () => {
    const [pid] = pidsOf(cluster, pod);
    expect(pid).toBeTypeOf("number");
    await cluster.delete(pod);
    expect(processMark(pid ?? 0)).toBeUndefined();
    expect(podsOf(cluster, pod)).toEqual([]);
  });
});

describe("a Deployment", () => {
  it("runs its init containers first, and hands their files over in a shared volume", async () => {
    const inputs = web(
      {
        volumeMounts: [
          { name: "programs", mountPath: "/app" },
          { name: "work", mountPath: "/data" },
        ],
        readinessProbe: { exec: { command: ["sh", "-c", "test -s /data/made"] } },
      },
      {
        initContainers: [
          {
            name: "make",
            image: "node:22-alpine",
            command: ["sh", "-c", "echo $WORD > /made/made"],
            env: [{ name: "WORD", value: "hello" }],
            volumeMounts: [{ name: "work", mountPath: "/made" }],
          },
        ],
        volumes: [
          { name: "programs", configMap: { name: "programs" } },
          { name: "work", emptyDir: {} },
        ],
      },
    );
    const made = await cluster.create("deployment", "init", inputs);
    expect(readFileSync(join(podsOf(cluster, made)[0] ?? "", "volumes/work/made"), "utf8")).toBe("hello\n");
    await cluster.delete(made);
  });

  it("fails with its init container's last lines", async () => {
    const init = { name: "make", image: "node", command: ["sh", "-c", "echo no such thing; exit 7"] };
    const broken = cluster.create("deployment", "bad-init", web({}, { initContainers: [init] }));
    await expect(broken).rejects.toThrow(/Init:Error: .*container make exited with 7;.*\| no such thing/s);
  });

  it("restarts a container whose startup probe gives up", async () => {
    const script = "[ -e /scratch/again ] && exec node /app/server.js; touch /scratch/again; exec sleep 60";
    const inputs = web(
      {
        command: ["sh", "-c", script],
        startupProbe: { tcpSocket: { port: 3000 }, periodSeconds: 1, failureThreshold: 1 },
        volumeMounts: [
          { name: "programs", mountPath: "/app" },
          { name: "work", mountPath: "/scratch" },
        ],
      },
      {
        volumes: [
          { name: "programs", configMap: { name: "programs" } },
          { name: "work", emptyDir: {} },
        ],
      },
    );
    const began = Date.now();
    const restarted = await cluster.create("deployment", "slow-start", inputs);
    expect(Date.now() - began).toBeGreaterThan(1000);
    expect((await ask(portOf(cluster, restarted))).pid).toBe(pidsOf(cluster, restarted)[0]);
    await cluster.delete(restarted);
  });

  it("keeps the pods that remain when it is scaled, and never runs two versions with Recreate", async () => {
    let scaled = await cluster.create("deployment", "scaled", web({}, {}, 3));
    const before = pidsOf(cluster, scaled);
    scaled = await cluster.update(scaled, web({}, {}, 1));
    const [kept, ...others] = pidsOf(cluster, scaled);
    expect(others).toEqual([]);
    expect(before).toContain(kept);
    const next = web({ env: [{ name: "VERSION", value: "2" }] });
    Object.assign(next["spec"] as object, { strategy: { type: "Recreate" } });
    const updating = cluster.update(scaled, next);
    const seen: number[] = [];
    for (let over = false; !over;) {
      seen.push(podsOf(cluster, scaled).filter((pod) => running(join(pod, "main.pid")) !== undefined).length);
      over = await Promise.race([updating.then(() => true), sleep(5).then(() => false)]);
    }
    expect(Math.max(...seen)).toBe(1);
    await cluster.delete(await updating);
  });

  it("works in a directory whose name has spaces", async () => {
    const spaced = await FakeCluster.start("kubernetes with spaces ");
    try {
      await spaced.create("configMap", "programs", {
        data: { "server.js": server, "guard.js": "process.env.GUARDED = 1;" },
      });
      const hook = { preStop: { exec: { command: ["sh", "-c", "cat /app/guard.js > /scratch/seen && sleep 0.1"] } } };
      const pod = await spaced.create(
        "deployment",
        "spaced",
        web(
          {
            command: ["sh", "-c", "exec node /app/server.js"],
            env: [{ name: "NODE_OPTIONS", value: "--require=/app/guard.js" }],
            lifecycle: hook,
            volumeMounts: [
              { name: "programs", mountPath: "/app" },
              { name: "work", mountPath: "/scratch" },
            ],
          },
          {
            volumes: [
              { name: "programs", configMap: { name: "programs" } },
              { name: "work", emptyDir: {} },
            ],
          },
        ),
      );
      expect((await ask(portOf(spaced, pod))).env["GUARDED"]).toBe("1");
      await spaced.delete(pod);
      expect(spaced.logged).toEqual([]); // a hook that fails is told
    } finally {
      await spaced.end();
    }
  });

  it("leaves no process of its own behind when Ctrl-C interrupts its creation", async () => {
    const interrupted = await FakeCluster.start();
    try {
      await interrupted.create("configMap", "programs", { data: { "server.js": server } });
      const creating = interrupted.create("deployment", "cut", web({ env: [{ name: "NEVER_READY", value: "1" }] }));
      await sleep(400);
      interrupted.abort.abort(new Error("Ctrl-C"));
      await expect(creating).rejects.toThrow("Ctrl-C");
      const left = pidFiles(interrupted.root).filter((file) => running(file) !== undefined);
      expect(left).toEqual([]);
    } finally {
      await interrupted.end();
    }
  });
});
