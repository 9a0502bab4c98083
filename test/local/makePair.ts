/** A primary and a replica, made by a process of its own: for tests that kill it in the middle. */
import { FakeCloud } from "./fakeCloud";

export async function makePair(root: string): Promise<FakeCloud> {
  const cloud = new FakeCloud(root);
  const type = "aws:rds/instance:Instance";
  const both = { instanceClass: "db.t4g.micro", skipFinalSnapshot: true };
  const primary = await cloud.create(type, "primary", {
    ...both,
    region: "eu-central-1",
    engine: "postgres",
    username: "owner",
    passwordWo: "first-password",
    passwordWoVersion: 1,
    allocatedStorage: 20,
    backupRetentionPeriod: 1,
  });
  await cloud.create(type, "replica", { ...both, region: "us-east-1", replicateSourceDb: primary.outputs.arn });
  return cloud;
}

const [, script, root] = process.argv;
if (script === __filename && root !== undefined) void makePair(root);
