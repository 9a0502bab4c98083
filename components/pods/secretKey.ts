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

/** As the environment of a container takes it. What else a connection carries is no property of a Secret's key, and the API server refuses it. */
export const secretKeyRef = ({ name, key }: SecretKey): types.input.core.v1.SecretKeySelector => ({ name, key });
