import { describe, expect, it } from "vitest";
import {
  translateArguments,
  translateEnvironment,
  translateFile,
  translateInside,
  translateServices,
  translateText,
  type Translation,
} from "../../cloud/kubernetes/translate";

const to: Translation = {
  namespace: "authensor",
  services: [
    { name: "pgbouncer", namespace: "authensor", ports: { "6432": 21000 } },
    { name: "control-plane", namespace: "authensor", ports: { "80": 21001 } },
    { name: "every", namespace: "authensor", ports: {}, pods: { "6432": [21010, 21011] } },
    { name: "none", namespace: "authensor", ports: {}, pods: { "6432": [] } },
    { name: "metrics", namespace: "other", ports: { "9090": 21002 } },
  ],
  mounts: new Map([
    ["/app", "/real/app"],
    ["/app/sql", "/real/sql"],
    ["/etc/pgbouncer/pgbouncer.ini", "/real/ini"],
    ["/tmp", "/real/tmp"],
  ]),
  ports: new Map([[3000, 22000]]),
};

describe("texts", () => {
  const cases: [claim: string, text: string, expected: string][] = [
    ["a mount path becomes its directory", "/app/migrate.js", "/real/app/migrate.js"],
    ["the longest mount path wins", "/app/sql/001.sql", "/real/sql/001.sql"],
    ["a single mounted file is a path too", "-c /etc/pgbouncer/pgbouncer.ini", "-c /real/ini"],
    ["a longer name is another path", "/application /app.js /usr/app", "/application /app.js /usr/app"],
    ["a path in a URL's query", "x?sslrootcert=/app/ca.pem&y=1", "x?sslrootcert=/real/app/ca.pem&y=1"],
    ["an encoded path in a URL's query", "x?sslrootcert=%2Fapp%2Fca.pem", "x?sslrootcert=%2Freal%2Fapp%2Fca.pem"],
    ["a file URL", "file:///app/x", "file:///real/app/x"],
    ["a headless service is its pods", "every.authensor.svc:6432", "localhost:21010,localhost:21011"],
    ["a headless service without pods is nobody", "none.authensor.svc:6432", "none.authensor.svc:6432"],
    ["a service by its full name", "a@pgbouncer.authensor.svc.cluster.local:6432/db", "a@localhost:21000/db"],
    [
      "a service by its shorter names",
      "pgbouncer.authensor.svc:6432 pgbouncer.authensor:6432",
      "localhost:21000 localhost:21000",
    ],
    [
      "a service of the own namespace by its name",
      "postgresql://u:p@pgbouncer:6432/db",
      "postgresql://u:p@localhost:21000/db",
    ],
    [
      "a service of another namespace not by its name",
      "metrics:9090 metrics.other:9090",
      "metrics:9090 localhost:21002",
    ],
    ["a port that the service does not have stays unreachable", "pgbouncer:5432", "pgbouncer:5432"],
    ["a service that does not exist stays unreachable", "redis.authensor.svc:6379", "redis.authensor.svc:6379"],
    [
      "a name that only ends like a service",
      "my-pgbouncer:6432 x.pgbouncer:6432",
      "my-pgbouncer:6432 x.pgbouncer:6432",
    ],
    ["http without a port means 80", "http://control-plane.authensor.svc/health", "http://localhost:21001/health"],
    ["libpq's host and port", "host=pgbouncer port=6432 dbname=x", "host=localhost port=21000 dbname=x"],
    [
      "the own port behind localhost",
      "http://localhost:3000/ http://127.0.0.1:3000/",
      "http://localhost:22000/ http://127.0.0.1:22000/",
    ],
    ["another port behind localhost is another server", "localhost:5432", "localhost:5432"],
    ["a number is not a port", "limit 3000", "limit 3000"],
  ];
  it.each(cases)("%s", (_, text, expected) => {
    expect(translateText(text, to)).toBe(expected);
  });

  it("knows only names with their namespace outside of one", () => {
    const outside = { services: to.services };
    expect(translateServices("pgbouncer:6432 pgbouncer.authensor.svc:6432", outside)).toBe(
      "pgbouncer:6432 localhost:21000",
    );
  });

  it("tells which addresses it used", () => {
    const used: string[] = [];
    translateText("pgbouncer:6432 metrics:9090", { ...to, used: ({ name }, port) => used.push(`${name}:${port}`) });
    expect(used).toEqual(["pgbouncer:6432"]);
  });
});

describe("environments", () => {
  const cases: [claim: string, env: Record<string, string>, expected: Record<string, string>][] = [
    ["a …PORT with a declared port", { PORT: "3000", HTTP_PORT: "3000" }, { PORT: "22000", HTTP_PORT: "22000" }],
    ["a …PORT with another's port", { PGPORT: "5432" }, { PGPORT: "5432" }],
    ["a number under another name", { TIMEOUT_MS: "3000" }, { TIMEOUT_MS: "3000" }],
    [
      "all interfaces become the pod's address",
      { HOST: "0.0.0.0", LISTEN_ADDR: "::" },
      { HOST: "127.0.0.1", LISTEN_ADDR: "127.0.0.1" },
    ],
    [
      "a service's HOST takes its PORT along",
      { PGHOST: "pgbouncer", PGPORT: "6432" },
      { PGHOST: "localhost", PGPORT: "21000" },
    ],
    ["paths and services in values", { A: "/app/x", B: "pgbouncer:6432" }, { A: "/real/app/x", B: "localhost:21000" }],
  ];
  it.each(cases)("%s", (_, env, expected) => {
    expect(translateEnvironment(env, to)).toEqual(expected);
  });
});

describe("arguments", () => {
  const cases: [claim: string, args: string[], expected: string[]][] = [
    ["--port=N", ["--port=3000", "--admin-port=3000"], ["--port=22000", "--admin-port=22000"]],
    ["--port N and -p N", ["--port", "3000", "-p", "3000"], ["--port", "22000", "-p", "22000"]],
    ["--host=all", ["--host=0.0.0.0"], ["--host=127.0.0.1"]],
    ["numbers elsewhere", ["3000", "--limit", "3000"], ["3000", "--limit", "3000"]],
    ["paths", ["/app/migrate.js", "--dir=/app/sql"], ["/real/app/migrate.js", "--dir=/real/sql"]],
  ];
  it.each(cases)("%s", (_, args, expected) => {
    expect(translateArguments(args, to)).toEqual(expected);
  });
});

describe("files", () => {
  const cases: [claim: string, text: string, expected: string][] = [
    [
      "an INI's own port and address",
      "listen_port = 3000\nlisten_addr = *\n",
      "listen_port = 22000\nlisten_addr = 127.0.0.1\n",
    ],
    ["with a comment behind it", "listen_port = 3000 ; ours", "listen_port = 22000 ; ours"],
    ["JSON", '{\n  "port": 3000,\n  "size": 3000\n}', '{\n  "port": 22000,\n  "size": 3000\n}'],
    ["YAML", "port: 3000\nhost: 0.0.0.0", "port: 22000\nhost: 127.0.0.1"],
    ["another server's port in a connection string", "db = host=db port=3000", "db = host=db port=3000"],
    ["a setting of another name", "max_client_conn = 3000", "max_client_conn = 3000"],
    ["paths", "auth_file = /app/userlist.txt", "auth_file = /real/app/userlist.txt"],
  ];
  it.each(cases)("%s", (_, text, expected) => {
    expect(translateFile(text, to)).toBe(expected);
  });
});

describe("commands inside a container", () => {
  it("name its main process by the number that it has here", () => {
    const command = [
      "sh",
      "-c",
      "sleep 1; kill -INT 1; while kill -0 1; do sleep 1; done; cat /proc/1/status /proc/12/x",
    ];
    expect(translateInside(command, to, 4711)).toEqual([
      "sh",
      "-c",
      "sleep 1; kill -INT 4711; while kill -0 4711; do sleep 1; done; cat /proc/4711/status /proc/12/x",
    ]);
    expect(translateInside(["/bin/kill", "-s", "INT", "1"], to, 4711)).toEqual(["/bin/kill", "-s", "INT", "4711"]);
  });

  it("reach the container's own port", () => {
    expect(translateInside(["psql", "-p", "3000"], to, 4711)).toEqual(["psql", "-p", "22000"]);
  });
});
