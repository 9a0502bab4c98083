/** Pods and what they are made of: processes of this machine, with the environment, files and failures of a kubelet. */
import { chownSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Properties, Resource } from "../../local/handler";
import { findCronJob, runCronJob } from "../../local/kubernetes/job";
import { canListen } from "../../local/ports";
import { pidFiles, running, sleep } from "../../local/process";
import { FakeCluster, namespace, servicePortOf, template } from "./fakeCluster";

const server = `
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

const web = (container: Properties = {}, spec: Properties = {}, replicas = 1): Properties => ({
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

let cluster: FakeCluster;
beforeAll(async () => {
  process.env["LEAKED_FROM_THE_SHELL"] = "1";
  cluster = await FakeCluster.start();
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
  await cluster.create("configMap", "settings", {
    data: { "app.ini": "listen_port = 3000\ndirectory = /app\n", COLOUR: "green" },
  });
  await cluster.create("secret", "password", { stringData: { password: "s3cret" } });
});
afterAll(() => cluster.end());

const directoriesOf = (resource: Resource) => {
  const pods = join(cluster.of(resource).directory, "pods");
  return existsSync(pods) ? readdirSync(pods).map((name) => join(pods, name)) : [];
};
const pidsOf = (resource: Resource) => directoriesOf(resource).map((directory) => running(join(directory, "main.pid")));
const portOf = (resource: Resource) => {
  const [directory = ""] = directoriesOf(resource);
  return (
    (JSON.parse(readFileSync(join(directory, "pod.json"), "utf8")) as { ports: Record<string, number> }).ports[
      "3000"
    ] ?? 0
  );
};

interface Answer {
  env: Record<string, string>;
  argv: string[];
  uid: number;
  pid: number;
  version: string;
}
const fetchText = (port: number, path = "/") =>
  new Promise<string>((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
const ask = async (port: number, path = "/") => JSON.parse(await fetchText(port, path)) as Answer;

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
    answer = await ask(portOf(pod));
  });
  const file = (path: string) => join(directoriesOf(pod)[0] ?? "", path);

  it("has the environment that it declares, expanded and translated", () => {
    expect(answer.env).toMatchObject({ COLOUR: "green", CM_COLOUR: "green", PASSWORD: "s3cret", IP: "127.0.0.1" });
    expect(answer.env["POD"]).toMatch(/^contents-[0-9a-f]{10}-[0-9a-f]{5}$/);
    expect(answer.env["URL"]).toBe(`http://green:s3cret@web.testing.svc/?ca=${file("files/main/secrets/ca.pem")}`);
    expect(answer.env["PORT"]).toBe(String(portOf(pod)));
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
      `listen_port = ${portOf(pod)}\ndirectory = ${file("files/main/app")}\n`,
    );
    expect(readFileSync(file("files/main/app/server.js"), "utf8")).toBe(server);
  });

  it("has a directory of its own to write in", () => {
    expect(statSync(file("volumes/scratch")).uid).toBe(answer.uid);
  });

  it("leaves no process and no file when it is deleted", async () => {
    const [pid] = pidsOf(pod);
    expect(pid).toBeTypeOf("number");
    await cluster.delete(pod);
    expect(() => process.kill(pid ?? 0, 0)).toThrow("ESRCH");
    expect(directoriesOf(pod)).toEqual([]);
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
    expect(readFileSync(join(directoriesOf(made)[0] ?? "", "volumes/work/made"), "utf8")).toBe("hello\n");
    await cluster.delete(made);
  });

  it("fails with its init container's last lines", async () => {
    const init = { name: "make", image: "node", command: ["sh", "-c", "echo no such thing; exit 7"] };
    const broken = cluster.create("deployment", "bad-init", web({}, { initContainers: [init] }));
    await expect(broken).rejects.toThrow(/Init:Error: .*container make exited with 7;.*\| no such thing/s);
  });

  it("restarts a container whose startup probe gives up", async () => {
    const script = "[ -e /work/again ] && exec node /app/server.js; touch /work/again; exec sleep 60";
    const inputs = web(
      {
        command: ["sh", "-c", script],
        startupProbe: { tcpSocket: { port: 3000 }, periodSeconds: 1, failureThreshold: 1 },
        volumeMounts: [
          { name: "programs", mountPath: "/app" },
          { name: "work", mountPath: "/work" },
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
    expect((await ask(portOf(restarted))).pid).toBe(pidsOf(restarted)[0]);
    await cluster.delete(restarted);
  });

  it("keeps the pods that remain when it is scaled, and never runs two versions with Recreate", async () => {
    let scaled = await cluster.create("deployment", "scaled", web({}, {}, 3));
    const before = pidsOf(scaled);
    scaled = await cluster.update(scaled, web({}, {}, 1));
    const [kept, ...others] = pidsOf(scaled);
    expect(others).toEqual([]);
    expect(before).toContain(kept);
    const next = web({ env: [{ name: "VERSION", value: "2" }] });
    Object.assign(next["spec"] as object, { strategy: { type: "Recreate" } });
    const updating = cluster.update(scaled, next);
    const seen: number[] = [];
    for (let over = false; !over;) {
      seen.push(directoriesOf(scaled).filter((pod) => running(join(pod, "main.pid")) !== undefined).length);
      over = await Promise.race([updating.then(() => true), sleep(5).then(() => false)]);
    }
    expect(Math.max(...seen)).toBe(1);
    await cluster.delete(await updating);
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

describe("a wrong reference fails the deployment, with the kubelet's words", () => {
  const env = (valueFrom: Properties) => web({ env: [{ name: "X", valueFrom }] });
  const cases: [claim: string, inputs: Properties, message: RegExp][] = [
    [
      "an unknown secret",
      env({ secretKeyRef: { name: "none", key: "x" } }),
      /CreateContainerConfigError: secret "none" not found/,
    ],
    [
      "an unknown key",
      env({ secretKeyRef: { name: "password", key: "x" } }),
      /couldn't find key x in Secret testing\/password/,
    ],
    ["an unknown ConfigMap", web({ envFrom: [{ configMapRef: { name: "none" } }] }), /configmap "none" not found/],
    [
      "an unknown mounted key",
      web({}, { volumes: [{ name: "programs", configMap: { name: "programs", items: [{ key: "x", path: "x" }] } }] }),
      /references non-existent configmap key: x/,
    ],
    ["an undeclared volume", web({}, { volumes: [] }), /volumeMounts \/app: Not found: "programs"/],
    [
      "an unknown image",
      web({ image: "redis:7" }),
      /image "redis:7": nothing on this machine stands for "redis" \(known: pgbouncer, node, control-plane/,
    ],
    ["an unknown program", web({ command: ["nodejs-of-old"] }), /exec: "nodejs-of-old": executable file not found/],
    ["an unknown service account", web({}, { serviceAccountName: "robot" }), /serviceaccount "robot" not found/],
    ["an unknown namespace", { ...web(), metadata: { namespace: "nowhere" } }, /namespaces "nowhere" not found/],
    [
      "a selector that misses its own pods",
      { spec: { ...(web()["spec"] as object), selector: { matchLabels: { app: "wbe" } } } },
      /`selector` does not match template `labels`/,
    ],
    [
      "a value that is not a string",
      web({ env: [{ name: "X", value: 5 }] }),
      /containers\[0\]\.env\[1\]\.value: .*expected string/,
    ],
    ["a restart policy of Jobs", web({}, { restartPolicy: "Never" }), /restartPolicy: Unsupported value/],
  ];
  it.each(cases)("%s", async (claim, inputs, message) => {
    await expect(cluster.create("deployment", claim.toLowerCase().replaceAll(" ", "-"), inputs)).rejects.toThrow(
      message,
    );
  });

  it("a program that keeps dying, with the end of its log", async () => {
    const failing = cluster.create("deployment", "failing", web({ command: ["node", "/app/fail.js"] }));
    await expect(failing).rejects.toThrow(/CrashLoopBackOff: .*container main exited with 3.*relation does not exist/s);
  });

  it("a program that never gets ready, with its probe's answer, and leaves no process", async () => {
    const inputs = web({ env: [{ name: "NEVER_READY", value: "1" }] });
    Object.assign(inputs["spec"] as object, { progressDeadlineSeconds: 1 });
    const before = cluster.create("deployment", "unready", inputs);
    await expect(before).rejects.toThrow(
      /not ready after 1 s: .*HTTP probe failed with statuscode: 503.*\| listening/s,
    );
  });
});

describe("configuration objects", () => {
  it("are refused above 1 MiB", async () => {
    const data = { text: "x".repeat(1_048_577) };
    await expect(cluster.create("configMap", "large", { data })).rejects.toThrow(
      "may not be more than 1048576 bytes, has 1048577",
    );
  });

  it("have Secrets' text as base64 in their outputs", async () => {
    const secret = await cluster.create("secret", "encoded", { stringData: { a: "1" }, data: { b: "Mg==" } });
    expect(secret.outputs["data"]).toEqual({ a: "MQ==", b: "Mg==" });
  });

  it("are refused with text where base64 belongs", async () => {
    await expect(cluster.create("secret", "plain", { data: { a: "plain text" } })).rejects.toThrow(
      "data.a: illegal base64 data",
    );
  });

  it("cannot be changed once immutable", async () => {
    const fixed = await cluster.create("configMap", "fixed", { immutable: true, data: { a: "1" } });
    await expect(cluster.update(fixed, { immutable: true, data: { a: "2" } })).rejects.toThrow("field is immutable");
  });

  it("are named by Pulumi's autonaming where the program gives no name", async () => {
    const object = await cluster.create("configMap", "auto", { metadata: { name: undefined }, data: {} });
    expect(object.id).toMatch(/^testing\/auto-[0-9a-f]{7}$/);
    expect(object.outputs["metadata"]).toMatchObject({ namespace, annotations: { "pulumi.com/autonamed": "true" } });
  });
});

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
    expect(readFileSync(join(directoriesOf(done)[0] ?? "", "main.log"), "utf8")).toBe("one\ntwo\n");
  });

  it("leaves none of its files behind but the log", async () => {
    const done = await cluster.create("job", "tidy", job(["/app/hello.js"]));
    expect(readdirSync(directoriesOf(done)[0] ?? "").sort()).toEqual(["main.log", "main.pid", "pod.json"]);
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
    expect(directoriesOf(done)).toHaveLength(2);
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
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(servicePortOf(front))));
    expect(new Set(answers.map(({ pid }) => pid)).size).toBe(2);
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
    const record = JSON.parse(readFileSync(join(directoriesOf(client)[0] ?? "", "pod.json"), "utf8")) as {
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
    const [pid] = pidsOf(deployment);
    process.kill(pid ?? 0, "SIGKILL");
    while (pidsOf(deployment).includes(pid) || !(await canListen(portOf(deployment)))) await sleep(5);
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
    expect(pidsOf(deployment)).toHaveLength(2);
  });

  it("goes on with the old pods where the new ones do not get ready", async () => {
    const before = pidsOf(deployment);
    const broken = web({ env: [{ name: "NEVER_READY", value: "1" }] }, {}, 2);
    Object.assign(broken["spec"] as object, { progressDeadlineSeconds: 1 });
    await expect(cluster.update(deployment, broken)).rejects.toThrow("not ready after 1 s");
    expect((await ask(servicePortOf(front))).version).toBe("3");
    expect(before.every((pid) => pidsOf(deployment).includes(pid))).toBe(true);
  });

  it("stops and comes back on the same port", async () => {
    await cluster.stop(deployment);
    await cluster.stop(front);
    expect(pidsOf(deployment).filter(Boolean)).toEqual([]);
    const port = servicePortOf(front);
    await cluster.heal(front);
    expect(await cluster.heal(deployment)).toBe("restarted 2 of 2");
    expect((await ask(port)).version).toBe("3");
  });

  it("restarts a pod that stays unready", async () => {
    await fetchText(portOf(deployment), "/unready");
    expect((await cluster.status(deployment))?.healthy).toBe(false);
    expect(await cluster.heal(deployment)).toBe("restarted 1 of 2");
    expect((await cluster.status(deployment))?.healthy).toBe(true);
  }, 30_000);
});
