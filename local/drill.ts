/** `make drill`: the CronJob of that name, once archive and backups have what was written by now. */
import { backUpNow } from "../cloud/aws/rds/backups/now";
import { rdsRoot } from "../cloud/aws/rds/api/service";
import { sleep } from "../cloud/host/wait";
import type { Progress } from "../cloud/progress";
import type { Environment } from "./environment";
import { runCron } from "./operate";

/** A restore is compared with manifests that are a little older than it (ops/verify/restored.ts). */
const afterArchivingMs = 6000;

/** Returns the drill's exit code. */
export async function runDrill(environment: Environment, progress: Progress, signal: AbortSignal): Promise<number> {
  progress.line("bringing archive and backups up to date first (by themselves they are within five minutes)");
  const code = await runCron(environment, "archive");
  if (code !== 0) return code;
  await sleep(afterArchivingMs, signal);
  await backUpNow(rdsRoot(environment.state.root), signal);
  return runCron(environment, "drill");
}
