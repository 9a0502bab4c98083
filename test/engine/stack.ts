/** This program under Pulumi's own command line and engine, with the local cloud's handlers as its providers. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Resources } from "../../cloud/provider/resources";
import { serveProviders, type ProviderServer } from "../../cloud/provider/server";
import { State } from "../../cloud/engine/state";
import type { Handler, Invoke } from "../../cloud/handler";
import { stopEndpoints } from "../../cloud/aws/endpoints";
import { ownDirectory } from "../../cloud/host/files";
import { stopAll } from "../../cloud/host/process";
import { findProgram } from "../../cloud/host/programs";
import { findServiceUser, type ServiceUser } from "../../cloud/host/user";
import { silent } from "../../cloud/progress";
import { packages, projectDirectory, pulumiEnvironment } from "../../local/pulumi";
import { substitutes } from "../../local/substitutes";

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface StackOptions {
  handlerOf: (type: string) => Handler | undefined;
  invokes: Record<string, Invoke>;
  stack: string;
  /** Whether the engine writes its state after each step, as it does for everybody. Default: at the end alone, which takes a third of the time. */
  checkpoints?: boolean;
}

/** A command that goes on. */
export interface Running {
  child: ChildProcess;
  ended: Promise<Result>;
}

/** Pulumi's command line and its Node.js host, as they are found on this machine. */
export const commandLine = findProgram("pulumi") && findProgram("pulumi-language-nodejs");

export class EngineStack {
  /** As a checkout that the engine may write into: a stack's file takes the salt of its secrets. */
  readonly directory = mkdtempSync(join(tmpdir(), "authensor-engine-"));
  /** What the cloud remembers; the engine has a state of its own. */
  readonly state: State;
  /** More variables for the commands that follow. */
  environment: Record<string, string> = {};
  private server: ProviderServer | undefined;

  private constructor(
    private readonly options: StackOptions,
    readonly serviceUser: ServiceUser | undefined,
  ) {
    this.state = new State(join(this.directory, "cloud.json"), dataDirectory(this.directory, serviceUser));
  }

  static async begin(options: StackOptions): Promise<EngineStack> {
    const stack = new EngineStack(options, findServiceUser());
    const { directory, state, serviceUser } = stack;
    projectDirectory(directory, options.stack);
    const resources = new Resources({
      state,
      handlerOf: options.handlerOf,
      progress: silent,
      signal: new AbortController().signal,
      substitutes,
      ...(serviceUser && { serviceUser }),
    });
    const { invokes } = options;
    stack.server = await serveProviders({ resources, invokes, packages });
    const { code, stderr, stdout } = await stack.pulumi("stack", "init", options.stack);
    if (code !== 0) throw new Error(`pulumi stack init: ${stderr || stdout}`);
    return stack;
  }

  async end(): Promise<void> {
    this.server?.close();
    const { root } = this.state;
    await stopEndpoints(root);
    await stopAll(root);
    for (const gone of [root, this.directory]) rmSync(gone, { recursive: true, force: true });
  }

  pulumi(...args: string[]): Promise<Result> {
    return this.begin(...args).ended;
  }

  begin(...args: string[]): Running {
    const child = spawn("pulumi", [...args, "--non-interactive", "--color=never"], {
      cwd: this.directory,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        HOME: this.directory,
        ...this.environment,
        ...pulumiEnvironment(this.directory, this.server?.providers ?? ""),
        ...(!this.options.checkpoints && { PULUMI_EXPERIMENTAL: "true", PULUMI_SKIP_CHECKPOINTS: "true" }),
      },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = new Promise<Result>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, stdout, stderr }));
    });
    return { child, ended };
  }

  /** As `pulumi`; fails with what it said where it fails. */
  async succeed(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.pulumi(...args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Every text that must not be told: what was generated, and what is kept in Secrets and write-only properties. */
  secretTexts(): string[] {
    const generated = this.state.entries.flatMap(({ outputs }) => [outputs["result"], outputs["privateKeyPem"]]);
    return generated.filter((text) => typeof text === "string");
  }

  /** The engine's own state, as it is stored. */
  stateFile(): string {
    const { stack } = this.options;
    return readFileSync(join(this.directory, ".backend/.pulumi/stacks/authensor-database", `${stack}.json`), "utf8");
  }
}

/** Servers refuse to run as root, and their user cannot enter a directory that is root's own. */
function dataDirectory(directory: string, user: ServiceUser | undefined): string {
  const parent = user ? "/var/lib/authensor-local" : directory;
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  const root = mkdtempSync(join(parent, "engine-"));
  ownDirectory(root, user);
  return root;
}
