/**
 * Pulumi's own command line on this machine: its engine plans, compares and keeps the state, and the local cloud's handlers are its
 * providers. For who changes the program and wants to see what Pulumi will say of it, with real servers.
 */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { databaseCaDirectory, ensureDatabaseCa } from "../cloud/aws/databaseCa";
import { startEndpoints } from "../cloud/aws/endpoints";
import { handlerOf, invokes } from "../cloud/handlers";
import { findProgram } from "../cloud/host/programs";
import { findServiceUser } from "../cloud/host/user";
import { silent } from "../cloud/progress";
import { Resources } from "../cloud/provider/resources";
import { serveProviders } from "../cloud/provider/server";
import { UsageError } from "./config";
import { checkout, type Environment } from "./environment";
import { substitutes } from "./substitutes";

/** The packages whose resources the handlers make. */
export const packages = ["aws", "kubernetes", "random", "tls"] as const;

/** A checkout that the engine may write into: a stack's file takes the salt of its secrets. */
export function projectDirectory(directory: string, stack: string): string {
  mkdirSync(join(directory, ".backend"), { recursive: true });
  for (const name of readdirSync(checkout))
    if (!name.startsWith(".") && !name.startsWith("Pulumi") && !existsSync(join(directory, name)))
      symlinkSync(join(checkout, name), join(directory, name));
  copyFileSync(join(checkout, "Pulumi.yaml"), join(directory, "Pulumi.yaml"));
  const file = `Pulumi.${stack}.yaml`;
  if (!existsSync(join(directory, file))) copyFileSync(join(checkout, file), join(directory, file));
  return directory;
}

/** What the command line is told by its environment; its state is kept in `directory`. */
export const pulumiEnvironment = (directory: string, providers: string) => ({
  // npm puts a program of its own before Pulumi's.
  PATH: process.env["PATH"]
    ?.split(delimiter)
    .filter((path) => !path.includes("node_modules"))
    .join(delimiter),
  PULUMI_HOME: join(directory, ".pulumi"),
  PULUMI_BACKEND_URL: `file://${join(directory, ".backend")}`,
  // There is nothing in the state that the directory beside it has not.
  PULUMI_CONFIG_PASSPHRASE: "local",
  PULUMI_SKIP_UPDATE_CHECK: "true",
  PULUMI_NODEJS_TRANSPILE_ONLY: "true",
  PULUMI_DEBUG_PROVIDERS: providers,
});

/** Runs `pulumi <args>` on the stack `local`; returns its exit code. */
export async function runPulumi(environment: Environment, args: readonly string[], signal: AbortSignal) {
  if (!findProgram("pulumi") || !findProgram("pulumi-language-nodejs"))
    throw new UsageError("pulumi and pulumi-language-nodejs are not in the PATH; docs/engine.md says how to get them");
  const { state } = environment;
  environment.makeRoot();
  const serviceUser = findServiceUser();
  const about = { state, signal, substitutes, ...(serviceUser && { serviceUser }) };
  await startEndpoints(state.root, { serviceUser, signal });
  const server = await serveProviders({
    resources: new Resources({ ...about, handlerOf, progress: silent }),
    invokes,
    packages,
  });
  const directory = projectDirectory(join(environment.directory, "pulumi"), "local");
  const run = (...command: string[]) =>
    new Promise<number>((resolve, reject) =>
      spawn("pulumi", command, {
        cwd: directory,
        stdio: "inherit",
        env: { ...process.env, ...pulumiEnvironment(directory, server.providers) },
      })
        .once("error", reject)
        .once("close", (code) => resolve(code ?? 1)),
    );
  try {
    if (!existsSync(join(directory, ".backend/.pulumi/stacks/authensor-database/local.json"))) {
      await run("stack", "init", "local");
      await run("config", "set", "databaseCaFile", await ensureDatabaseCa(databaseCaDirectory(state.root)));
    }
    return await run(...args);
  } finally {
    server.close();
  }
}
