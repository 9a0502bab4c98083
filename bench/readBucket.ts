/** A process that does nothing but verify a bucket, as `verify --archived` does it: prints what that takes. */
import { S3Client } from "@aws-sdk/client-s3";
import { Bucket } from "../ops/archive/bucket";
import { verifyArchive } from "../ops/verify/archived";
import { testRegion } from "../test/s3";

export interface BucketRead {
  rows: number;
  seconds: number;
  cpuSeconds: number;
}

async function main(name: string, segments: boolean): Promise<BucketRead> {
  const bucket = new Bucket(
    new S3Client({ region: testRegion, forcePathStyle: true }),
    name,
    new AbortController().signal,
  );
  const [started, before] = [performance.now(), process.cpuUsage()];
  const { findings, report } = await verifyArchive(bucket, 0, 0, [], { segments });
  const { user, system } = process.cpuUsage(before);
  if (findings.length > 0) throw new Error(JSON.stringify(findings));
  return {
    rows: report.rows,
    seconds: (performance.now() - started) / 1000,
    cpuSeconds: (user + system) / 1e6,
  };
}

void main(process.argv[2] ?? "", process.argv[3] === "segments").then((read) =>
  process.stdout.write(JSON.stringify(read)),
);
