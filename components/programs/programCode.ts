import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/** A bundled program that pods can mount. */
export interface ProgramCode {
  configMap: pulumi.Input<string>;
  /** Its only key. */
  file: string;
}

export interface ProgramText {
  metadata: { namespace: pulumi.Input<string>; labels: Record<string, string> };
  /** `verify` becomes verify.js. */
  source: string;
  text: string;
}

/** Immutable: a changed program is another ConfigMap, and the old one is there until no pod template names it any more. */
export function programCode(
  name: string,
  { metadata, source, text }: ProgramText,
  opts: pulumi.CustomResourceOptions,
): ProgramCode {
  const file = `${source}.js`;
  const made = new k8s.core.v1.ConfigMap(name, { metadata, immutable: true, data: { [file]: text } }, opts);
  return { configMap: made.metadata.name, file };
}
