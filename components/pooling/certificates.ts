import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

const hoursPerDay = 24;

export interface CertificatesArgs {
  /** Names that clients will verify; the first is the certificate's subject. */
  dnsNames: [string, ...string[]];
}

/**
 * A certificate authority of this deployment's own, and a server certificate by it. Both are made anew by the first
 * `pulumi up` inside their early-renewal time; every pod that mounts them rolls with it. The authority's key is kept in
 * the state, encrypted, and is nowhere else.
 */
export class Certificates extends pulumi.ComponentResource {
  /** PEM of the authority, for clients. */
  readonly caPem: pulumi.Output<string>;
  readonly certificatePem: pulumi.Output<string>;
  readonly keyPem: pulumi.Output<string>;
  /** When the server certificate ends, RFC 3339. A deployment in its last 120 days makes a new one. */
  readonly validUntil: pulumi.Output<string>;

  constructor(name: string, args: CertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:pooling:Certificates", name, {}, opts);
    const child = { parent: this };
    const [commonName] = args.dnsNames;

    const caKey = new tls.PrivateKey(`${name}-ca-key`, { algorithm: "ECDSA", ecdsaCurve: "P256" }, child);
    const ca = new tls.SelfSignedCert(
      `${name}-ca`,
      {
        privateKeyPem: caKey.privateKeyPem,
        subject: { commonName: `${name} CA`, organization: "authensor-database" },
        isCaCertificate: true,
        setSubjectKeyId: true,
        validityPeriodHours: 5 * 365 * hoursPerDay,
        // Longer than a server certificate lives: none can outlast the authority that vouches for it.
        earlyRenewalHours: 400 * hoursPerDay,
        allowedUses: ["cert_signing", "crl_signing"],
      },
      child,
    );

    const key = new tls.PrivateKey(`${name}-key`, { algorithm: "ECDSA", ecdsaCurve: "P256" }, child);
    const request = new tls.CertRequest(
      `${name}-request`,
      {
        privateKeyPem: key.privateKeyPem,
        subject: { commonName, organization: "authensor-database" },
        dnsNames: args.dnsNames,
      },
      child,
    );
    const certificate = new tls.LocallySignedCert(
      `${name}-certificate`,
      {
        certRequestPem: request.certRequestPem,
        caPrivateKeyPem: caKey.privateKeyPem,
        caCertPem: ca.certPem,
        setSubjectKeyId: true,
        validityPeriodHours: 365 * hoursPerDay,
        // Whoever deploys once a quarter never sees it expire.
        earlyRenewalHours: 120 * hoursPerDay,
        allowedUses: ["digital_signature", "server_auth"],
      },
      child,
    );

    this.caPem = ca.certPem;
    this.certificatePem = certificate.certPem;
    this.keyPem = key.privateKeyPem;
    this.validUntil = certificate.validityEndTime;
    this.registerOutputs({ caPem: this.caPem, certificatePem: this.certificatePem });
  }
}
