import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Context, Handler } from "../handler";
import { admitObject, identifyGlobal, stored } from "./objects";

/** A namespace is a directory in which pods and services announce themselves; nothing of it runs. */
export const namespaceHandler: Handler = {
  replaceOnChange: ["metadata.name"],
  create(inputs, context) {
    const identity = identifyGlobal(inputs, context);
    admitObject(identity, context);
    furnish(context);
    return Promise.resolve({
      id: identity.id,
      outputs: { ...stored(inputs, identity, context.directory), status: { phase: "Active" } },
    });
  },
  update(current, inputs, context) {
    const outputs = stored(inputs, identifyGlobal(current.outputs, context), context.directory, current);
    return Promise.resolve({ ...outputs, status: { phase: "Active" } });
  },
  heal(_current, context) {
    furnish(context);
    return Promise.resolve(undefined);
  },
  status: () => Promise.resolve({ healthy: true, text: "active" }),
};

function furnish(context: Context): void {
  for (const name of ["pods", "services"]) {
    const directory = join(context.directory, name);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (context.serviceUser) chownSync(directory, context.serviceUser.uid, context.serviceUser.gid);
  }
}
