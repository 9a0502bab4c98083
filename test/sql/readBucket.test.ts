/** What a restore takes of the bucket: archives of months where they are whole, segments otherwise, each row once. */
import { gunzipSync, gzipSync } from "node:zlib";
import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { checkArchive } from "../../ops/archive/check";
import { manifestKey } from "../../ops/archive/keys";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { checkByMonths } from "../../ops/months/archive";
import { compact } from "../../ops/months/compact";
import type { Month } from "../../ops/months/manifest";
import { Failure } from "../../ops/program";
import { readBucket, type Store } from "../../ops/restore/readBucket";
import { roles } from "../../ops/roles";
import { month } from "../months";
import { startPostgres, type TestDatabase } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { alterObject, copyBucket, keysIn, lockedBucket, makeBucket, removeObject, testS3, type TestS3 } from "../s3";

const { signal } = new AbortController();
let s3: TestS3;
let whole: Bucket;
/** As whole, of another trail. */
let another: Bucket;
/** All of its lines. */
const lines: string[] = [];
/** Of each test. */
let bucket: Bucket;
let made = 0;

function newBucket(): Bucket {
  const name = `read-${++made}`;
  makeBucket(s3.root, name, lockedBucket);
  return new Bucket(s3.client({ forcePathStyle: true }), name, signal);
}

/** Two archives, of two segments each, and two segments that are in none. */
async function fill(into: Bucket, database: TestDatabase): Promise<Bucket> {
  const common = { bucket: into, environment: "test", told: 0, log: silentLog };
  const [app, client] = [await database.connect(roles.app), await database.connect(roles.auditor)];
  for (const place of [1, 2, 3, 4, 5, 6]) {
    // When this month has been over for a year.
    if (place === 3 || place === 5) await compact({ ...common, delayDays: 7, now: month(12) });
    await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: "b", decision_outcome: "require_approval" })]);
    await app.query("update receipts set execution_attempts = execution_attempts + 1");
    await archive({ ...common, client, mostRows: 1000 });
  }
  return into;
}

beforeAll(async () => {
  const [server, api] = await Promise.all([startPostgres(), testS3({})]);
  s3 = api;
  const database = () => server.createDatabase({ migrated: true });
  [whole, another] = await Promise.all([fill(newBucket(), await database()), fill(newBucket(), await database())]);
  await server.stop();
  for await (const { problems } of checkArchive(whole, { lines: (some) => void lines.push(...some.map(String)) }))
    expect(problems).toEqual([]);
});
afterAll(() => s3.close());
beforeEach(async () => {
  bucket = await copyBucket(whole, newBucket());
});

/** As a database would store it. */
async function read(upTo = 6) {
  let [stored, manifests]: [string[], number[]] = [[], []];
  const warn = vi.fn<(message: string) => void>();
  const store: Store = {
    taker: { lines: (some) => void stored.push(...some.map(String)) },
    take: ({ archive: { number } }) => void manifests.push(number),
    async orUndo(work) {
      const before = [[...stored], [...manifests]] as const;
      await work().catch((error: unknown) => {
        [stored, manifests] = [[...before[0]], [...before[1]]];
        throw error;
      });
    },
  };
  const { archives, doubts } = await readBucket(bucket, upTo, store, { ...silentLog, warn });
  return {
    lines: stored,
    manifests,
    archives: archives.map(({ number }) => number),
    said: warn.mock.calls.join(),
    doubts,
  };
}
const numbers = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const [first, second] = ["months/000/000/001.json", "months/000/000/002.json"];
const objectOf = async (month: string) => (JSON.parse((await bucket.read(month)).toString()) as Month).object.key;
const segmentsOf = async (from: number, to: number) => (await keysIn(bucket, "segments/")).slice(from - 1, to);
const manifestsOf = (from: number, to: number) => numbers(from, to).map((number) => manifestKey(number));

it("what a restore reads of the bucket is each archive, and segments after the last; what is in both is taken once", async () => {
  expect(await read()).toEqual({ lines, manifests: numbers(1, 6), archives: [1, 2], said: "", doubts: [] });
  for (const key of [...(await segmentsOf(1, 4)), ...manifestsOf(1, 4)]) await removeObject(bucket, key);
  expect(await read(), "without the segments of archives").toMatchObject({ lines, archives: [1, 2] });
});

it("what a restore reads of the bucket is segments in place of an archive that is altered at its end, and nothing of that archive", async () => {
  const key = await objectOf(first);
  await alterObject(bucket, key, -4);
  const { said, ...found } = await read();
  expect(found).toEqual({ lines, manifests: numbers(1, 6), archives: [2], doubts: [] });
  expect(said).toContain(`${key} is not used: `);
  expect(said).toContain("segments are read in its place");
});

it.each([
  ["an archive's object is gone", async () => removeObject(bucket, await objectOf(second)), [1]],
  ["an archive's manifest is no manifest", () => put(second, "x"), [1]],
  [
    "the first archive is gone with its manifest",
    async () => {
      await removeObject(bucket, await objectOf(first));
      await removeObject(bucket, first);
    },
    [2],
  ],
  [
    "an archive's manifest goes on elsewhere",
    async () => {
      const text = (await bucket.read(second)).toString();
      await put(second, text.replace(/"before":"\w{8}/, '"before":"00000000'));
    },
    [1],
  ],
  [
    "an archive's manifest ends with another manifest",
    async () => {
      const text = (await bucket.read(second)).toString();
      await put(second, text.replace(/("last":\d+,"sha256":")\w{8}/, "$100000000"));
    },
    [1],
  ],
])("what a restore reads of the bucket is segments where %s", async (_, harm, archives) => {
  await harm();
  expect(await read()).toMatchObject({ lines, manifests: numbers(1, 6), archives });
});

it("what a restore reads of the bucket is an archive that was hidden or overwritten as it was first written", async () => {
  const hide = async (Key: string) => bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key }));
  await hide(await objectOf(second));
  await hide(second);
  expect(await read()).toMatchObject({ lines, archives: [1, 2], said: "" });
});

it("what a restore reads of the bucket up to an older manifest is no archive that reaches beyond it", async () => {
  expect(await read(3)).toMatchObject({ manifests: numbers(1, 3), archives: [1] });
});

/** In its last row: those before it have been handed over once it is seen. */
async function alterLine(key: string): Promise<void> {
  const text = gunzipSync(await bucket.read(key));
  const at = text.length - 20;
  text.writeUInt8(text.readUInt8(at) ^ 1, at);
  await removeObject(bucket, key);
  await bucket.putNew(key, gzipSync(text), "application/gzip");
}

it.each([
  ["of the first archive, which is altered, everything else is gone too", first, [1, 2]],
  ["of a later archive, which is altered, everything else is gone too", second, [3, 4]],
  ["of an archive that is altered a segment is gone", second, [4, 4], true],
])(
  "what a restore reads of the bucket is refused where %s",
  async (_, month, [from = 0, to = 0], manifestsStay = false) => {
    const key = await objectOf(month);
    const segments = await segmentsOf(from, to);
    await alterLine(key);
    for (const gone of [...segments, ...(manifestsStay ? [] : manifestsOf(from, to))]) await removeObject(bucket, gone);
    await expect(read()).rejects.toMatchObject({
      message: expect.stringMatching(/gone/) as string,
      details: expect.arrayContaining([expect.stringContaining(`${key} is not used: `) as string]) as string[],
    });
  },
);

it("what a restore reads where the oldest has expired is the same when somebody adds a month that cannot be read", async () => {
  const key = await objectOf(first);
  for (const gone of [key, first, ...(await segmentsOf(1, 4)), ...manifestsOf(1, 4)]) await removeObject(bucket, gone);
  const { lines: stored } = await read();
  expect(stored).not.toEqual([]);
  await bucket.putNew("months/000/000/009.json", Buffer.from("x"), "application/json");
  expect(await read()).toMatchObject({ lines: stored, said: expect.stringContaining("009.json") as string });
});

it("what a restore reads where the oldest has expired is the same where the oldest month cannot be read, and it says what cannot be told", async () => {
  const key = await objectOf(first);
  for (const gone of [key, first, ...(await segmentsOf(1, 4)), ...manifestsOf(1, 4)]) await removeObject(bucket, gone);
  const { lines: stored } = await read();
  await bucket.putNew(first, Buffer.from("x"), "application/json");
  expect(await read()).toMatchObject({
    lines: stored,
    doubts: [
      expect.stringMatching(
        /^whether what is older than manifests\/000\/000\/003.json has expired or was removed cannot be told: .*months\/000\/000\/001.json/,
      ),
    ],
  });
});

it("what a restore reads is refused where a month cannot be read, its segments are gone, and the month before it, which has expired, says where it began", async () => {
  s3.ahead = -40 * 86_400_000;
  bucket = await copyBucket(whole, newBucket());
  s3.ahead = 0;
  await removeObject(bucket, await objectOf(first));
  await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: first }));
  for (const gone of [...(await segmentsOf(1, 4)), ...manifestsOf(1, 4)]) await removeObject(bucket, gone);
  expect(await read(), "with the second").toMatchObject({ manifests: numbers(3, 6), doubts: [] });
  await put(second, "x");
  await expect(read()).rejects.toThrow(/^segments before manifests\/000\/000\/005.json are gone/);
});

it("what a restore reads of an archive when it is stopped is no reason to leave the archive out", async () => {
  const stop = new AbortController();
  bucket = new Bucket(bucket.client, bucket.name, stop.signal);
  const warn = vi.fn();
  const store: Store = {
    taker: {},
    take: () => stop.abort(new Failure("stopped by SIGTERM")),
    orUndo: (work) => work(),
  };
  await expect(readBucket(bucket, 6, store, { ...silentLog, warn })).rejects.toThrow("stopped by SIGTERM");
  expect(warn).not.toHaveBeenCalled();
});

it("a verification too reads the segments of a month whose archive is gone with its manifest", async () => {
  await removeObject(bucket, await objectOf(first));
  await removeObject(bucket, first);
  const found: string[] = [];
  for await (const { problems } of checkByMonths(bucket, { lines: (some) => void found.push(...some.map(String)) }))
    expect(problems).toEqual([]);
  expect(found).toEqual(lines);
});

describe("where somebody put the archive of another trail in the place of one, what a restore reads", () => {
  beforeEach(async () => {
    const forged = await another.read(second);
    const { key } = (JSON.parse(forged.toString()) as Month).object;
    await bucket.putNew(key, await another.read(key), "application/gzip");
    const ours = JSON.parse((await bucket.read(second)).toString()) as Month;
    await put(second, JSON.stringify({ ...(JSON.parse(forged.toString()) as Month), previous: ours.previous }));
  });

  it("is segments", async () => {
    expect(await read()).toMatchObject({
      lines,
      archives: [1],
      said: expect.stringContaining(`${second} ends with another manifests/000/000/004.json than is there`) as string,
    });
  });

  it("is refused without them", async () => {
    for (const key of [...(await segmentsOf(3, 6)), ...manifestsOf(3, 4)]) await removeObject(bucket, key);
    await expect(read()).rejects.toMatchObject({
      details: expect.arrayContaining([
        expect.stringContaining(`${second} does not go on where the manifests before it end`) as string,
      ]) as string[],
    });
  });
});

async function put(key: string, text: string): Promise<void> {
  await removeObject(bucket, key);
  await bucket.putNew(key, Buffer.from(text), "application/json");
}
