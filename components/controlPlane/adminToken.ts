import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { SecretKey } from "../pods/secretKey";

export interface AdminTokenArgs {
  namespace: pulumi.Input<string>;
}

/** The token that the control plane makes its first admin key from. To be revoked once people have keys of their own. */
export class AdminToken extends pulumi.ComponentResource {
  /** Where the token is kept. */
  readonly secret: SecretKey & { name: pulumi.Output<string> };

  constructor(name: string, args: AdminTokenArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:controlPlane:AdminToken", name, {}, opts);

    // 285 bits, without a character that a shell or a header would change.
    const token = new random.RandomPassword(name, { length: 48, special: false }, { parent: this });
    const { metadata } = new k8s.core.v1.Secret(
      name,
      { metadata: { namespace: args.namespace }, immutable: true, stringData: { token: token.result } },
      { parent: this },
    );
    this.secret = { name: metadata.name, key: "token" };

    this.registerOutputs({ secret: this.secret });
  }
}
