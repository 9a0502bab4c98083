import { describe, expect, test } from "vitest";
import { Certificates } from "../../components/pooling/certificates";
import { record, valueOf } from "./mocks";

const build = () =>
  record(() => new Certificates("c", { dnsNames: ["pgbouncer.authensor.svc.cluster.local", "localhost"] }));

describe("the certificates", () => {
  test("are an authority with its key, and one server certificate with its own", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:pooling:Certificates c",
      "tls:index/certRequest:CertRequest c-request",
      "tls:index/locallySignedCert:LocallySignedCert c-certificate",
      "tls:index/privateKey:PrivateKey c-ca-key",
      "tls:index/privateKey:PrivateKey c-key",
      "tls:index/selfSignedCert:SelfSignedCert c-ca",
    ]);
    for (const key of world.all("tls:index/privateKey:PrivateKey"))
      expect(key.inputs).toEqual({ algorithm: "ECDSA", ecdsaCurve: "P256" });
  });

  test("name the server as its clients do, and serve for nothing but that", async () => {
    const world = await build();
    expect(world.one("tls:index/certRequest:CertRequest").inputs).toMatchObject({
      subject: { commonName: "pgbouncer.authensor.svc.cluster.local" },
      dnsNames: ["pgbouncer.authensor.svc.cluster.local", "localhost"],
    });
    expect(world.one("tls:index/locallySignedCert:LocallySignedCert").inputs).toMatchObject({
      allowedUses: ["digital_signature", "server_auth"],
    });
    expect(world.one("tls:index/selfSignedCert:SelfSignedCert").inputs).toMatchObject({
      isCaCertificate: true,
      allowedUses: ["cert_signing", "crl_signing"],
    });
  });

  test("are renewed by a deployment long before they end, the authority before any certificate of its could outlive it", async () => {
    const world = await build();
    const hours = (type: string) => {
      const { validityPeriodHours, earlyRenewalHours } = world.one(type).inputs as Record<string, number>;
      return { valid: validityPeriodHours!, early: earlyRenewalHours! };
    };
    const authority = hours("tls:index/selfSignedCert:SelfSignedCert");
    const server = hours("tls:index/locallySignedCert:LocallySignedCert");
    expect(server.early).toBeGreaterThanOrEqual(90 * 24);
    expect(server.valid).toBeGreaterThan(server.early);
    expect(authority.early).toBeGreaterThan(server.valid);
    expect(authority.valid).toBeGreaterThan(2 * authority.early);
  });

  test("keep both private keys out of every plain input and output", async () => {
    const world = await build();
    world.expectNothingSecretInPlain();
    expect(world.one("tls:index/selfSignedCert:SelfSignedCert").secrets).toEqual(["privateKeyPem"]);
    expect(world.one("tls:index/locallySignedCert:LocallySignedCert").secrets).toEqual(["caPrivateKeyPem"]);
    expect(Object.keys(world.one("authensor:pooling:Certificates").outputs ?? {})).toEqual(["caPem", "certificatePem"]);
    expect(await valueOf(world.result.caPem)).not.toContain("PRIVATE KEY");
  });
});
