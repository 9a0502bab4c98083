import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { afterAll, describe, expect, test } from "vitest";
import type { Context, Properties, Resource } from "../../cloud/handler";
import { ensureDatabaseCa, issueServerCertificate, stillGood } from "../../cloud/aws/databaseCa";
import { handlers } from "../../cloud/tls";

const directory = mkdtempSync(join(tmpdir(), "tls-"));
afterAll(() => rmSync(directory, { recursive: true }));

const make = async (type: string, inputs: Properties): Promise<Record<string, string>> => {
  const created = await handlers[`tls:index/${type}`]?.create(inputs, {} as Context);
  return created?.outputs as Record<string, string>;
};

async function authority(algorithm = "ECDSA"): Promise<{ key: string; certificate: string }> {
  const { privateKeyPem: key } = await make("privateKey:PrivateKey", { algorithm, ecdsaCurve: "P256" });
  const { certPem } = await make("selfSignedCert:SelfSignedCert", {
    privateKeyPem: key,
    subject: { commonName: "Test CA", organization: "Tests" },
    isCaCertificate: true,
    validityPeriodHours: 48,
    allowedUses: ["certSigning", "crlSigning"],
  });
  return { key: key as string, certificate: certPem as string };
}

async function server(ca: { key: string; certificate: string }, algorithm = "ECDSA", uses = ["serverAuth"]) {
  const { privateKeyPem: key } = await make("privateKey:PrivateKey", { algorithm, ecdsaCurve: "P256" });
  const { certRequestPem } = await make("certRequest:CertRequest", {
    privateKeyPem: key,
    subject: { commonName: "pgbouncer", country: "DE", organization: "Tests" },
    dnsNames: ["localhost", "pgbouncer.authensor.svc.cluster.local"],
    ipAddresses: ["127.0.0.1"],
  });
  const signed = await make("locallySignedCert:LocallySignedCert", {
    certRequestPem,
    caCertPem: ca.certificate,
    caPrivateKeyPem: ca.key,
    validityPeriodHours: 24,
    allowedUses: ["digitalSignature", "keyEncipherment", ...uses],
  });
  return { key: key as string, certificate: signed.certPem as string, signed };
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const openssl = (...args: string[]): string => execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });

describe("certificates of the local cloud", () => {
  test.each(["ECDSA", "RSA", "ED25519"])(
    "OpenSSL verifies a %s chain strictly, names and purpose included",
    async (kind) => {
      const ca = await authority(kind);
      const leaf = await server(ca, kind);
      const caFile = file(`${kind}-ca.pem`, ca.certificate);
      const leafFile = file(`${kind}.pem`, leaf.certificate);
      const verify = (...more: string[]) =>
        openssl("verify", "-x509_strict", "-CAfile", caFile, "-purpose", "sslserver", ...more, leafFile);

      expect(verify("-verify_hostname", "pgbouncer.authensor.svc.cluster.local")).toContain("OK");
      expect(verify("-verify_ip", "127.0.0.1")).toContain("OK");
      expect(() => verify("-verify_hostname", "elsewhere.example")).toThrow(/hostname mismatch/i);
    },
  );

  test("a client that trusts the CA completes a handshake; one that trusts another CA does not", async () => {
    const [ca, other] = [await authority(), await authority()];
    const leaf = await server(ca);
    const listener = createServer({ key: leaf.key, cert: leaf.certificate }, (socket) => socket.end("hello"));
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const port = (listener.address() as { port: number }).port;
    const greet = (trusted: string) =>
      new Promise<string>((resolve, reject) => {
        const socket: TLSSocket = connect({ port, host: "127.0.0.1", servername: "localhost", ca: trusted });
        socket.once("data", (data: Buffer) => resolve(data.toString())).once("error", reject);
      });

    await expect(greet(ca.certificate)).resolves.toBe("hello");
    await expect(greet(other.certificate)).rejects.toThrow(/certificate/);
    await new Promise((resolve) => listener.close(resolve));
  });

  test("a certificate not allowed for servers is not taken for one", async () => {
    const ca = await authority();
    const leaf = await server(ca, "ECDSA", ["clientAuth"]);
    const [caFile, leafFile] = [file("c-ca.pem", ca.certificate), file("c.pem", leaf.certificate)];
    expect(() => openssl("verify", "-CAfile", caFile, "-purpose", "sslserver", leafFile)).toThrow(/purpose/);
  });

  test("a CA's certificate and a key that is not its own are refused together", async () => {
    const [ca, other] = [await authority(), await authority()];
    await expect(server({ certificate: ca.certificate, key: other.key })).rejects.toThrow(/do not belong together/);
  });

  test("an unknown allowed use is refused by name", async () => {
    const ca = await authority();
    await expect(server(ca, "ECDSA", ["serverOath"])).rejects.toThrow(/serverOath/);
  });

  test("a certificate whose renewal time has come is renewed under the same key, any other is left alone", async () => {
    const { key } = await authority();
    const inputs = { privateKeyPem: key, validityPeriodHours: 24, allowedUses: ["serverAuth"] };
    const handler = handlers["tls:index/selfSignedCert:SelfSignedCert"];
    const outputs = (await handler?.create(inputs, {} as Context))?.outputs as Properties;
    const resource = (more: Properties) => ({ inputs: { ...inputs, ...more }, outputs }) as unknown as Resource;

    expect(await handler?.heal?.(resource({}), {} as Context)).toBeUndefined();
    const healed = await handler?.heal?.(resource({ earlyRenewalHours: 25 }), {} as Context);
    expect(healed?.did).toBe("renewed");
    const [before, after] = [outputs.certPem, healed?.outputs?.certPem].map((pem) => new X509Certificate(String(pem)));
    expect(after?.serialNumber).not.toBe(before?.serialNumber);
    expect(after?.publicKey.equals(before?.publicKey as X509Certificate["publicKey"])).toBe(true);
  });
});

describe("the local RDS authority", () => {
  test("is made once, and its key is for its owner only", async () => {
    const home = join(directory, "rds");
    const path = await ensureDatabaseCa(home);
    const made = readFileSync(path, "utf8");
    expect(readFileSync(await ensureDatabaseCa(home), "utf8")).toBe(made);
    expect(statSync(join(home, "rds-ca.key")).mode & 0o777).toBe(0o600);
  });

  test("knows its own certificates from those of an earlier authority", async () => {
    const [home, other] = [join(directory, "rds-1"), join(directory, "rds-2")];
    const { certificatePem } = await issueServerCertificate(home, "primary");
    await ensureDatabaseCa(other);
    expect(stillGood(home, certificatePem)).toBe(true);
    expect(stillGood(other, certificatePem)).toBe(false);
    expect(new X509Certificate(certificatePem).checkHost("localhost")).toBe("localhost");
  });
});
