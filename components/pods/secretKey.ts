import type { types } from "@pulumi/kubernetes";
import type { Input } from "@pulumi/pulumi";

/** A key of a Kubernetes Secret. */
export interface SecretKey {
  name: Input<string>;
  key: string;
}

/** A volume that shows this key alone, readable to the pod's group. */
export function secretVolume({ name, key }: SecretKey): Omit<types.input.core.v1.Volume, "name"> {
  return { secret: { secretName: name, items: [{ key, path: key }], defaultMode: 0o440 } };
}
