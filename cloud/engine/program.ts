/** Runs the Pulumi program in this process, as the Node language host does, against a monitor of ours. */
import { Resource, runtime } from "@pulumi/pulumi";
import type { Engine } from "./engine";
import type { Properties } from "../handler";
import { invokes } from "../handlers";
import { Monitor, tellValues } from "./monitor";

export interface Project {
  name: string;
  /** Configuration by full name ("my-project:environment"), as the texts Pulumi keeps. */
  config: Record<string, string>;
}

export interface ProgramRun {
  project: Project;
  /** The program's module. */
  main: string;
  engine: Engine;
}

const stack = "local";

/** Makes the configuration the one that `pulumi.Config` reads. */
export function configure(project: Project): void {
  runtime.setMockOptions({}, project.name, stack, false, "local");
  runtime.setAllConfig(project.config);
}

/** Runs the program to its end, deletes what it no longer has, and returns the stack's outputs. */
export async function runProgram({ project, main, engine }: ProgramRun): Promise<Properties> {
  const monitor = new Monitor({
    project: project.name,
    stack,
    register: (registration) => engine.register(registration),
    invokes,
    resources: engine.resources,
    reach: (region) => engine.reach(region),
  });
  monitor.install();
  if (process.env["DEBUG"] === undefined) takeNoStackTraces();
  const trouble = listenForTrouble(monitor);
  const stopTelling = tellValues();
  try {
    const finished = (async () => {
      const outputs = (await runtime.runInPulumiStack(() => load(main))) as Properties;
      await runtime.disconnect();
      return outputs;
    })();
    finished.catch(() => undefined);
    const outputs = await Promise.race([finished, monitor.failed, trouble.happened]);
    // A rejection that nobody waits for is told a turn later; nothing may be deleted before it was heard.
    await Promise.race([turn(), trouble.happened]);
    await engine.finish();
    return outputs;
  } catch (error) {
    await monitor.idle();
    await turn(); // the echoes of the same failure, where nobody waits for them
    throw monitor.failure ?? error;
  } finally {
    stopTelling();
    trouble.stopListening();
  }
}

/** Pulumi takes one for every promise it makes, and another, taken apart, for every resource; nobody reads them but to debug. */
function takeNoStackTraces(): void {
  Error.stackTraceLimit = 0;
  Reflect.set(Resource, "callsites", () => []);
}

const turn = () => new Promise((done) => setTimeout(done, 20));

/** As the language host has it: a module that exports a function is called, and what it returns are the outputs. */
async function load(main: string): Promise<unknown> {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the program is a CommonJS module
  const exported: unknown = require(main);
  return typeof exported === "function" ? await (exported as () => unknown)() : exported;
}

/** What the program throws where nobody waits for it. Once a resource has failed, that is only its echo. */
function listenForTrouble(monitor: Monitor) {
  let happen: (error: unknown) => void = () => undefined;
  const happened = new Promise<never>((_, reject) => (happen = reject));
  happened.catch(() => undefined);
  const hear = (error: unknown) => void (monitor.failure ?? happen(error));
  const starve = () => happen(new Error("the program waits for a value that nothing will ever give"));
  process.on("uncaughtException", hear);
  process.on("unhandledRejection", hear);
  process.once("beforeExit", starve);
  return {
    happened,
    stopListening() {
      process.off("beforeExit", starve);
      process.off("uncaughtException", hear);
      process.off("unhandledRejection", hear);
    },
  };
}
