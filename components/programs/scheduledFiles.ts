import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { labelsOf } from "../pods/podSecurity";
import { programCode, type ProgramCode } from "./programCode";

/** The key of the ConfigMap with the findings that were looked into. */
export const acknowledgedFile = "findings.json";

export interface ScheduledFilesArgs {
  namespace: string;
  /** The programs that are run, by their names. */
  bundles: Readonly<Record<string, string>>;
  /** Findings that were looked into, as JSON. Default: there are none. */
  acknowledgements?: string | undefined;
}

/** What several programs on schedule read: each program's code once, however many entries run it, and the acknowledged findings. */
export class ScheduledFiles extends pulumi.ComponentResource {
  readonly code: Readonly<Record<string, ProgramCode>>;
  /** The ConfigMap's name. */
  readonly acknowledged: pulumi.Output<string> | undefined;

  constructor(name: string, args: ScheduledFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:programs:ScheduledFiles", name, {}, opts);
    const { namespace, bundles, acknowledgements } = args;
    const child = { parent: this };
    this.code = Object.fromEntries(
      Object.entries(bundles).map(([source, text]) => {
        const metadata = { namespace, labels: labelsOf(source) };
        return [source, programCode(`${name}-${source}-code`, { metadata, source, text }, child)];
      }),
    );
    this.acknowledged =
      acknowledgements === undefined
        ? undefined
        : new k8s.core.v1.ConfigMap(
            `${name}-acknowledged`,
            { metadata: { namespace }, immutable: true, data: { [acknowledgedFile]: acknowledgements } },
            child,
          ).metadata.name;

    this.registerOutputs({ acknowledged: this.acknowledged });
  }
}
