/** `make local`: brings the program's resources up on this machine and proves that a receipt goes all the way. */
import { join } from "node:path";
import type { Environment } from "./environment";
import { checkout } from "./environment";
import { ensureDatabaseCa, databaseCaDirectory } from "../cloud/aws/databaseCa";
import { buildServices } from "../cloud/aws/endpoint";
import { endpoints, startEndpoints } from "../cloud/aws/endpoints";
import { findServiceUser } from "../cloud/host/user";
import { readProject } from "./config";
import { cronController, startCronController } from "./cronController/service";
import { outcomes } from "../cloud/engine/engine";
import { firstReceipt } from "./firstReceipt";
import { keptToken, sayHowToForget } from "./loseStack";
import { health, table } from "./operate";
import { resolveOutputs, writeOutputs, type LocalOutputs } from "./outputs";
import { buildFiles } from "./page/build";
import { page } from "./page/service";
import { startPage } from "./page/start";
import type { Progress } from "../cloud/progress";

export async function up(
  environment: Environment,
  settings: readonly string[],
  progress: Progress,
  signal: AbortSignal,
) {
  const { engine, state, directory, outputsFile } = environment;
  const stackFile = process.env["AUTHENSOR_LOCAL_CONFIG"] ?? join(checkout, "Pulumi.local.yaml");
  const project = readProject(checkout, stackFile, settings);
  const loaded = progress.begin("loading the program");
  const { configure, readSettings, runProgram } = loadPulumi();
  loaded();
  configure(project);
  readSettings(); // throws its own error, with every problem, before anything is touched
  environment.makeRoot();
  const serviceUser = findServiceUser();
  const programs = buildServices([...endpoints, page, cronController]);
  await startEndpoints(state.root, { serviceUser, signal, programs });
  // The servers' certificates are signed here, not by Amazon: the setting that production has for this says so.
  const caFile = `${project.name}:databaseCaFile`;
  project.config[caFile] ||= await ensureDatabaseCa(databaseCaDirectory(state.root));
  configure(project);
  // While the program waits for servers.
  const files = buildFiles(join(checkout, "docs"));
  files.catch(() => undefined);
  const stackOutputs = await runProgram({ project, main: join(checkout, "index.ts"), engine }).catch(
    (error: unknown) => {
      throw sayHowToForget(error, environment);
    },
  );

  const resolved = { ...resolveOutputs(stackOutputs, state, directory), ...keptToken(state.root) };
  const [pageUrl] = await Promise.all([
    startPage({
      ...{ root: state.root, files: await files, outputs: resolved },
      ...{ programs, serviceUser, signal },
    }),
    startCronController(state.root, { stateFile: join(directory, "state.json") }, { programs, signal }),
  ]);
  const outputs = { ...resolved, pageUrl };
  writeOutputs(outputs, outputsFile);
  const counts = outcomes.filter((o) => engine.counts[o] > 0).map((o) => `${engine.counts[o]} ${o}`);
  progress.line(counts.join(", "));

  const journey = await firstReceipt(outputs, signal);
  const [decided, read] = [journey.decidedMs, journey.readMs].map((ms) => ms.toFixed(0));
  progress.line(
    `receipt ${journey.receiptId} (${journey.outcome}) through the control plane in ${decided} ms, ` +
      `on the ${journey.readFrom} ${read} ms later`,
  );
  return { outputs, rows: await health(environment) };
}

/** With its token on a terminal, and not in what is kept: a file, a log. */
const pageFor = (terminal: boolean, url: string) =>
  terminal ? url : `${new URL(url).origin} (with its token: pageUrl in outputs.json)`;

export function whatNext(outputs: LocalOutputs, outputsFile: string, rows: Parameters<typeof table>[0]): string {
  return `
${table(rows)}

  page            ${pageFor(process.stdout.isTTY, outputs.pageUrl)}
  control plane   ${outputs.controlPlaneUrl}
  every URL       ${outputsFile} (with passwords; readable by you only)

Try next
  curl -s ${outputs.controlPlaneUrl}/health/ready
  make search Q=hello    make verify    make psql ROLE=auditor
  make cron NAME=partitions    make status    make down    make clean
`;
}

/** Pulumi and its packages take a second or two to load: only once everything else is in order. */
function loadPulumi(): typeof import("../cloud/engine/program") & typeof import("../settings") {
  /* eslint-disable @typescript-eslint/no-require-imports -- in the middle of a function, and in CommonJS */
  return {
    ...(require("../cloud/engine/program") as typeof import("../cloud/engine/program")),
    ...(require("../settings") as typeof import("../settings")),
  };
}
