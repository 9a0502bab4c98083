/** lose-stack: what a stack leaves, and one that was to be restored and never came up. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunError } from "@pulumi/pulumi/errors";
import { afterAll, expect, test } from "vitest";
import type { Environment } from "../../local/environment";
import { keptToken, loseStack, sayHowToForget } from "../../local/loseStack";

const directory = mkdtempSync(join(tmpdir(), "authensor-lose-"));
afterAll(() => rmSync(directory, { recursive: true }));

const restored = { from: "bucket", bucketArn: "arn:aws:s3:::source", bucketKmsKeyArn: "arn:aws:kms:source" };
const encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";
const outputsFile = join(directory, "outputs.json");

/** Of a stack that was restored from the bucket `source`, and has the bucket `own`. */
function made(came: "up" | "never"): Environment {
  writeFileSync(join(directory, "state.json"), "{}");
  if (came === "up") writeFileSync(outputsFile, JSON.stringify({ adminToken: "its token" }));
  const entries = [
    { type: "pulumi:index:Stash", name: "decided-once", inputs: {}, outputs: { output: { restored } } },
    { type: "aws:s3/bucket:Bucket", name: "backups", inputs: {}, outputs: { arn: "arn:aws:s3:::own" } },
    { type: encryption, name: "backups", inputs: { kmsMasterKeyId: "arn:aws:kms:own" }, outputs: {} },
  ];
  return { directory, outputsFile, state: { root: directory, entries } } as unknown as Environment;
}
const buckets = (lines: readonly string[]) => lines.filter((line) => line.startsWith("restoreBucket"));

test("a stack that never came up is forgotten too, and what is named to restore from is its source's bucket, not its own empty one", () => {
  const lines = loseStack(made("never"));
  expect(lines[0]).toContain("which never came up whole");
  expect(buckets(lines)).toEqual(["restoreBucketArn=arn:aws:s3:::source", "restoreBucketKmsKeyArn=arn:aws:kms:source"]);
  expect(existsSync(join(directory, "state.json"))).toBe(false);
});

test("the admin token that is in the source's database is kept while a stack that never came up is forgotten", () => {
  loseStack(made("up"));
  loseStack(made("never"));
  expect(keptToken(directory)).toEqual({ adminToken: "its token" });
});

test("one that came up is restored from its own bucket", () => {
  expect(buckets(loseStack(made("up")))).toEqual([
    "restoreBucketArn=arn:aws:s3:::own",
    "restoreBucketKmsKeyArn=arn:aws:kms:own",
  ]);
});

test("what another deployment is refused for by the record of one that never came up names the command that forgets it", () => {
  const said = (came: "up" | "never", why: string) => (sayHowToForget(new RunError(why), made(came)) as Error).message;
  const refused = "environment is b, but this stack was made with a. Set it back.";
  expect(said("never", refused)).toMatch(/Set it back\.\n.*never came up.*lose-stack/);
  rmSync(join(directory, "state.json"));
  expect(said("up", refused)).toBe(refused);
  rmSync(outputsFile);
  expect(said("never", "databaseCaFile cannot be read")).toBe("databaseCaFile cannot be read");
});
