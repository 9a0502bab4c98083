/** The control plane on this machine: the user's own command, else the image where a Docker engine answers, else a stand-in. */
import { join } from "node:path";
import { bundled } from "../cloud/kubernetes/bundle";
import { inEngine } from "../cloud/kubernetes/docker";
import type { Executable, Image, ImageHost } from "../cloud/kubernetes/image";
import { userOf } from "../cloud/kubernetes/images";
import { digest } from "../cloud/kubernetes/objects";
import { prepares } from "./pgbouncer";

const ownCommand = () => process.env["CONTROL_PLANE_COMMAND"] ?? "";

export const controlPlane: Image = {
  async executable(run, host) {
    const command = ownCommand();
    const executable = await (command === "" ? (inEngine(run, host) ?? standIn(host)) : shellLine(command));
    // What is prepared through an older pooler is missing on the next connection.
    return prepares() ? executable : { ...executable, env: { PREPARED_STATEMENTS: "0" } };
  },
  /** Without a question to Docker: that an engine comes or goes is no change. */
  sameChoice(earlier) {
    const command = ownCommand();
    return command === "" ? !earlier.startsWith("command ") : earlier === choiceOf(command);
  },
};

const choiceOf = (command: string) => `command ${digest(command)}`;

/** The user's own program, in a directory of their own: it runs as them, from where they called. */
function shellLine(command: string): Executable {
  const home = process.env["HOME"];
  return {
    what: "CONTROL_PLANE_COMMAND",
    choice: choiceOf(command),
    command: "/bin/sh",
    args: ["-c", command],
    ownCommand: false,
    wholeGroup: true,
    user: undefined,
    cwd: process.cwd(),
    ...(home !== undefined && { home }),
  };
}

async function standIn(host: ImageHost): Promise<Executable> {
  // Its driver is a package beside it, as the real one's is: what Node loads before the program finds it there.
  await bundled(require.resolve("pg"), join(host.directory, "node_modules/pg/index.js"));
  const script = await bundled(join(__dirname, "standIn/main.ts"), join(host.directory, "stand-in.js"), ["pg"]);
  const user = userOf(process.execPath, host);
  return { what: "stand-in", choice: "stand-in", command: process.execPath, args: [script], ownCommand: false, user };
}
