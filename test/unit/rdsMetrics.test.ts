/** What the local RDS publishes of an instance, and how the local CloudWatch takes it. */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { publish, take, type Measured } from "../../cloud/aws/cloudwatch/ofServices";
import { Store } from "../../cloud/aws/cloudwatch/store";
import { measure, publishForEver } from "../../cloud/aws/rds/api/metrics";
import { write, type Known } from "../../cloud/aws/rds/api/known";
import { freeStorage } from "../../cloud/aws/rds/freeStorage";

const mib = 2 ** 20;
let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), "rds-metrics-"))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A directory of an instance whose data takes so much, in two files at two depths. */
function instance(name: string, takesMib: number): string {
  const directory = join(root, name);
  mkdirSync(join(directory, "data", "base"), { recursive: true });
  for (const file of ["data/one", "data/base/two"])
    writeFileSync(join(directory, file), Buffer.alloc((takesMib * mib) / 2, 1), { flush: true });
  return directory;
}

test("free is what was given less what the data takes, in all its directories; and not less than nothing", () => {
  const data = join(instance("a", 4), "data");
  expect(freeStorage(data, 10 / 1024)).toBe(6 * mib);
  expect(freeStorage(data, 1 / 1024)).toBe(0);
});

test("free is no more than the disk has: of an instance that was given more, or nobody knows what", () => {
  const data = join(instance("a", 2), "data");
  const { blocks, bsize } = statfsSync(data);
  for (const given of [1e9, undefined]) expect(freeStorage(data, given)).toBeLessThan(blocks * bsize);
});

const known = (identifier: string, more: Partial<Known> = {}): Known => ({
  ...{ identifier, region: "eu-west-1", arn: `arn:${identifier}`, instanceClass: "db.t4g.small", engineVersion: "15" },
  ...{ multiAz: false, parameterGroup: "p", port: 1, directory: join(root, identifier), major: 15, memoryGib: 2 },
  ...{ storageGib: 10 / 1024, tags: {} },
  ...more,
});

test("each instance has its value, by its identifier and region; one without data is left out, and the others are not", () => {
  instance("a", 4);
  write(root, known("a"));
  write(root, known("gone"));
  instance("b", 8);
  write(root, known("b", { region: "eu-central-1" }));
  const told = measure(root, 60_000);
  const of = (region: string, name: string, value: number) => ({
    ...{ region, namespace: "AWS/RDS", name: "FreeStorageSpace", dimensions: { DBInstanceIdentifier: name } },
    ...{ at: 60, value },
  });
  expect(told).toHaveLength(2);
  expect(told).toEqual(expect.arrayContaining([of("eu-west-1", "a", 6 * mib), of("eu-central-1", "b", 2 * mib)]));
});

test("what cannot be measured costs a minute's metrics, and not all that come after", async () => {
  write(root, known("a"));
  writeFileSync(join(root, "instances", "eu-west-1.b.json"), "half of");
  await expect(publishForEver(root, AbortSignal.timeout(50))).rejects.toThrow(/aborted/);
});

let server: Server | undefined;
afterEach(() => server?.close());

test("what a service tells arrives in its minute; where CloudWatch does not take it, that is said", async () => {
  const store = new Store();
  let status = 200;
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (status === 200) take(Buffer.concat(parts), store);
      response.writeHead(status).end();
    });
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => server!.once("listening", listening));
  mkdirSync(join(root, "cloudwatch"));
  writeFileSync(
    join(root, "cloudwatch", "endpoint.json"),
    JSON.stringify({ port: (server.address() as AddressInfo).port }),
  );
  const metric = { region: "eu-west-1", namespace: "AWS/RDS", name: "FreeStorageSpace", dimensions: {} } as const;
  const told: Measured = { ...metric, at: 119, value: 7 };
  await publish(root, [told]);
  expect(store.summary(metric, 60, 120)).toMatchObject({ count: 1, minimum: 7 });
  status = 500;
  await expect(publish(root, [told])).rejects.toThrow(/500/);
});
