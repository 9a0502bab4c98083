/** Runs the project's commands as a person does, in a local directory of their own. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { LocalOutputs } from "../../local/outputs";
import { pidFiles, running } from "../../cloud/host/pidFile";
import { type Entry, State } from "../../cloud/engine/state";
import { token } from "../../cloud/kubernetes/objects";

const launcher = resolve(__dirname, "../../authensor");

export interface Result {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  result: Promise<Result>;
  /** Settles as soon as stdout holds this, or the command ends. */
  printed(text: string): Promise<void>;
}

export class LocalCloud {
  /** Closed to everybody else, as somebody's home directory may be. */
  readonly directory = mkdtempSync(join(process.env["TEST_CLOUDS_DIR"] ?? tmpdir(), "authensor-local-"));

  begin(...args: string[]): Running {
    const child = spawn(launcher, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, AUTHENSOR_LOCAL_DIR: this.directory, CONTROL_PLANE_COMMAND: "" },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const result = new Promise<Result>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
    const printed = (text: string) =>
      new Promise<void>((resolve) => {
        const look = () => stdout.includes(text) && resolve();
        child.stdout.on("data", look);
        void result.then(() => resolve());
        look();
      });
    return { child, result, printed };
  }

  run(...args: string[]): Promise<Result> {
    return this.begin(...args).result;
  }

  outputs(): LocalOutputs {
    return JSON.parse(readFileSync(join(this.directory, "outputs.json"), "utf8")) as LocalOutputs;
  }

  private get state(): State {
    return State.load(join(this.directory, "state.json"), "");
  }

  get root(): string {
    return this.state.root;
  }

  /** Where a resource keeps its files, by its type and the end of its Pulumi name. */
  directoryOf(type: string, ending: string): string {
    const { root, entries } = this.state;
    const found = entries.find((resource) => resource.type === type && resource.name.endsWith(ending));
    if (!found) throw new Error(`no ${type} …${ending}`);
    return join(root, found.physicalName);
  }

  /** Every port that a resource has been given, whose Pulumi name ends like this. */
  ports(ending: string): number[] {
    const { entries, ports } = this.state;
    const named = entries.filter(({ name }) => name.endsWith(ending));
    return named.flatMap(({ physicalName }) => Object.values(ports[physicalName] ?? {}));
  }

  /** The process of a service that is no resource, such as the page, by its directory's name. */
  servicePid(name: string): number | undefined {
    return running(join(this.root, name, `${name}.pid`));
  }

  /** The processes of this cloud that stay, or those of one type of resource. */
  pids(type?: string, ending = "", container = ""): number[] {
    const { root, entries } = this.state;
    const wanted = (resource: Entry) => (type === undefined ? resource.type !== token.cronJob : resource.type === type);
    return entries
      .filter((resource) => wanted(resource) && resource.name.endsWith(ending))
      .flatMap(({ physicalName }) => pidFiles(join(root, physicalName)))
      .filter((file) => container === "" || file.endsWith(`/${container}.pid`))
      .flatMap((file) => running(file) ?? []);
  }

  /** Whatever a test has left behind. */
  async remove(): Promise<void> {
    await this.run("clean");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** "authensor-local-pgbouncer-config replaced": what a run says it has changed, in the order of names. */
export function changes({ stdout }: Result): string[] {
  const line = /^ *[\d.]+ s {2}(\S+ \S+ {2}(?:created|updated|replaced|deleted|restarted)\b)/gm;
  return [...stdout.matchAll(line)].map(([, text = ""]) => text.replace("  ", " ")).sort();
}
