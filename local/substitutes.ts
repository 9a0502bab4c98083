/** What stands on this machine for what the program asks of the cloud by name. A new image is one entry here. */
import type { Substitutes } from "../cloud/handler";
import { installed } from "../cloud/kubernetes/images";
import { instanceCapacity } from "../components/aws/instanceClass";
import { controlPlane } from "./controlPlane";
import { pgbouncer } from "./pgbouncer";

export const substitutes: Substitutes = {
  images: {
    node: installed("node", () => process.execPath),
    pgbouncer,
    "control-plane": controlPlane,
  },
  memoryGib: (instanceClass) => instanceCapacity(instanceClass)?.memoryGib,
};
