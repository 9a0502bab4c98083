/** What stands on this machine for what the program asks of the cloud by name. A new image is one entry here. */
import type { Substitutes } from "../cloud/handler";
import { findProgram } from "../cloud/host/programs";
import { installed } from "../cloud/kubernetes/images";
import { instanceCapacity } from "../components/instanceClass";
import { controlPlane } from "./controlPlane";

export const substitutes: Substitutes = {
  images: {
    node: installed("node", () => process.execPath),
    pgbouncer: installed("pgbouncer", pgbouncer),
    "control-plane": controlPlane,
  },
  memoryGib: (instanceClass) => instanceCapacity(instanceClass)?.memoryGib,
};

function pgbouncer(): string {
  const path = findProgram("pgbouncer");
  if (path === undefined) throw new Error("PgBouncer is not installed");
  return path;
}
