/** `@pulumi/tls`: real keys and certificates. OpenSSH formats and fingerprints are left out: nothing deployed reads them. */
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import type { Created, Handler, Properties, Resource } from "../handler";
import {
  generateKey,
  privateKeyPem,
  request,
  selfSign,
  signRequest,
  type Issued,
  type Names,
  type Terms,
} from "./x509";

const hour = 60 * 60 * 1000;

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

/** A property, or its write-only twin that leaves no trace in a state. */
function secretInput(inputs: Properties, name: string): string {
  const value = inputs[name] ?? inputs[`${name}Wo`];
  if (typeof value !== "string") throw new Error(`${name} is missing`);
  return value;
}

const namesOf = (inputs: Properties): Names => ({
  subject: inputs.subject ?? {},
  dnsNames: strings(inputs.dnsNames),
  ipAddresses: strings(inputs.ipAddresses),
  uris: strings(inputs.uris),
});

function termsOf(inputs: Properties): Terms {
  const hours = inputs.validityPeriodHours;
  if (typeof hours !== "number" || hours < 0) throw new Error("validityPeriodHours must be a number of hours");
  return {
    hours,
    uses: strings(inputs.allowedUses),
    isCa: inputs.isCaCertificate === true,
    maxPathLength: typeof inputs.maxPathLength === "number" ? inputs.maxPathLength : undefined,
    setSubjectKeyId: inputs.setSubjectKeyId === true,
    setAuthorityKeyId: inputs.setAuthorityKeyId === true,
  };
}

function algorithmOf(pem: string): string {
  const { asymmetricKeyType } = createPrivateKey(pem);
  return { rsa: "RSA", ec: "ECDSA", ed25519: "ED25519" }[asymmetricKeyType as "rsa" | "ec" | "ed25519"];
}

function readyForRenewal(inputs: Properties, notAfter: Date): boolean {
  const early = typeof inputs.earlyRenewalHours === "number" ? inputs.earlyRenewalHours : 0;
  return Date.now() >= notAfter.getTime() - early * hour;
}

const idOf = (pem: string) => createHash("sha1").update(pem).digest("hex");

const privateKey: Handler = {
  create(inputs) {
    const { algorithm, rsaBits, ecdsaCurve } = inputs as { algorithm: string; rsaBits?: number; ecdsaCurve?: string };
    const key = generateKey({ algorithm, rsaBits, ecdsaCurve });
    const publicKeyPem = createPublicKey(key).export({ format: "pem", type: "spki" }).toString();
    return Promise.resolve({
      id: idOf(publicKeyPem),
      outputs: {
        ...inputs,
        rsaBits: rsaBits ?? 2048,
        ecdsaCurve: ecdsaCurve ?? "P224",
        privateKeyPem: privateKeyPem(key),
        privateKeyPemPkcs8: key.export({ format: "pem", type: "pkcs8" }).toString(),
        publicKeyPem,
      },
    });
  },
};

const certRequest: Handler = {
  async create(inputs) {
    const key = secretInput(inputs, "privateKeyPem");
    const certRequestPem = await request(namesOf(inputs), key);
    return { id: idOf(certRequestPem), outputs: { ...inputs, certRequestPem, keyAlgorithm: algorithmOf(key) } };
  },
};

/** A certificate is made anew for any change but of the renewal time, and when that time has come. */
function certificate(make: (inputs: Properties) => Promise<Issued>, also: (inputs: Properties) => Properties): Handler {
  const create = async (inputs: Properties): Promise<Created> => {
    const { pem, notBefore, notAfter } = await make(inputs);
    return {
      id: idOf(pem),
      outputs: {
        earlyRenewalHours: 0,
        isCaCertificate: false,
        setSubjectKeyId: false,
        ...inputs,
        ...also(inputs),
        certPem: pem,
        validityStartTime: notBefore.toISOString(),
        validityEndTime: notAfter.toISOString(),
        readyForRenewal: readyForRenewal(inputs, notAfter),
      },
    };
  };
  return {
    create,
    async heal(current: Resource) {
      const notAfter = new Date(String(current.outputs.validityEndTime));
      if (!readyForRenewal(current.inputs, notAfter)) return undefined;
      return { did: "renewed", outputs: (await create(current.inputs)).outputs };
    },
  };
}

const selfSignedCert = certificate(
  (inputs) => selfSign(namesOf(inputs), termsOf(inputs), secretInput(inputs, "privateKeyPem")),
  (inputs) => ({ keyAlgorithm: algorithmOf(secretInput(inputs, "privateKeyPem")) }),
);

const locallySignedCert = certificate(
  (inputs) =>
    signRequest(secretInput(inputs, "certRequestPem"), termsOf(inputs), {
      certificatePem: secretInput(inputs, "caCertPem"),
      privateKeyPem: secretInput(inputs, "caPrivateKeyPem"),
    }),
  (inputs) => ({ caKeyAlgorithm: algorithmOf(secretInput(inputs, "caPrivateKeyPem")) }),
);

export const handlers: Record<string, Handler> = {
  "tls:index/privateKey:PrivateKey": privateKey,
  "tls:index/certRequest:CertRequest": certRequest,
  "tls:index/selfSignedCert:SelfSignedCert": selfSignedCert,
  "tls:index/locallySignedCert:LocallySignedCert": locallySignedCert,
};
