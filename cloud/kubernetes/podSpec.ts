/** The parts of Kubernetes' schema that a pod on this machine is made from, checked as an API server checks them. */
import { z } from "zod";

const label = z
  .string()
  .regex(/^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$/, "a label value: 63 characters at most");
export const labels = z.record(z.string(), label);
const dnsLabel = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "an RFC 1123 label: a-z, 0-9 and '-', 63 at most");
/** Pulumi passes what its program left out as null. */
export const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

export const metadataSchema = z.looseObject({
  name: optional(
    z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, "an RFC 1123 subdomain: a-z, 0-9, '-' and '.'"),
  ),
  namespace: optional(dnsLabel),
  labels: optional(labels),
  annotations: optional(z.record(z.string(), z.string())),
});
export type Metadata = z.infer<typeof metadataSchema>;

export const portNumber = z.int().min(1).max(65535);
const portName = z
  .string()
  .regex(
    /^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/,
    "an IANA service name: 15 characters at most, one letter at least",
  );
export const portReference = z.union([portNumber, portName]);

const keySelector = z.looseObject({ name: z.string(), key: z.string(), optional: optional(z.boolean()) });
const fieldSelector = z.looseObject({ fieldPath: z.string() });
const valueFromSchema = z
  .looseObject({
    secretKeyRef: optional(keySelector),
    configMapKeyRef: optional(keySelector),
    fieldRef: optional(fieldSelector),
    resourceFieldRef: optional(z.unknown()),
  })
  .refine(
    (from) =>
      [from.secretKeyRef, from.configMapKeyRef, from.fieldRef, from.resourceFieldRef].filter(Boolean).length === 1,
    "exactly one source must be given",
  );
const envSchema = z
  .looseObject({
    name: z.string().regex(/^[-._a-zA-Z][-._a-zA-Z0-9]*$/, "an environment variable name"),
    value: optional(z.string()),
    valueFrom: optional(valueFromSchema),
  })
  .refine((env) => env.value === undefined || env.valueFrom === undefined, "may not have both value and valueFrom");
const envSource = z.looseObject({ name: z.string(), optional: optional(z.boolean()) });

const handlerSchema = z
  .looseObject({
    exec: optional(z.looseObject({ command: z.array(z.string()).min(1) })),
    httpGet: optional(
      z.looseObject({
        path: optional(z.string()),
        port: portReference,
        scheme: optional(z.enum(["HTTP", "HTTPS"])),
        host: optional(z.string()),
        httpHeaders: optional(z.array(z.looseObject({ name: z.string(), value: z.string() }))),
      }),
    ),
    tcpSocket: optional(z.looseObject({ port: portReference })),
    sleep: optional(z.looseObject({ seconds: z.number() })),
    grpc: optional(z.null({ error: "gRPC probes are not made on this machine" })),
  })
  .refine(
    (handler) => [handler.exec, handler.httpGet, handler.tcpSocket, handler.sleep].filter(Boolean).length === 1,
    "exactly one of exec, httpGet, tcpSocket must be given",
  );
export type LifecycleHandler = z.infer<typeof handlerSchema>;

export const seconds = (smallest: number) => optional(z.int().min(smallest));
const probeSchema = handlerSchema.and(
  z.looseObject({
    initialDelaySeconds: seconds(0),
    periodSeconds: seconds(1),
    timeoutSeconds: seconds(1),
    failureThreshold: seconds(1),
    successThreshold: seconds(1),
  }),
);
export type Probe = z.infer<typeof probeSchema>;

const volumeMountSchema = z.looseObject({
  name: z.string(),
  mountPath: z.string().regex(/^\/[^:]*$/, "an absolute path without ':'"),
  subPath: optional(z.string().regex(/^(?!\/)(?!.*\.\.).*$/, "a relative path without '..'")),
  readOnly: optional(z.boolean()),
});

const containerSchema = z.looseObject({
  name: dnsLabel,
  image: z.string().min(1),
  command: optional(z.array(z.string())),
  args: optional(z.array(z.string())),
  workingDir: optional(z.string()),
  env: optional(z.array(envSchema)),
  envFrom: optional(
    z.array(
      z.looseObject({
        prefix: optional(z.string()),
        secretRef: optional(envSource),
        configMapRef: optional(envSource),
      }),
    ),
  ),
  ports: optional(
    z.array(z.looseObject({ containerPort: portNumber, name: optional(portName), protocol: optional(z.string()) })),
  ),
  volumeMounts: optional(z.array(volumeMountSchema)),
  startupProbe: optional(probeSchema),
  readinessProbe: optional(probeSchema),
  livenessProbe: optional(probeSchema),
  lifecycle: optional(
    z.looseObject({
      preStop: optional(handlerSchema),
      postStart: optional(handlerSchema),
      stopSignal: optional(z.string()),
    }),
  ),
});
export type Container = z.infer<typeof containerSchema>;

const mode = optional(z.int().min(0).max(0o777));
const items = optional(z.array(z.looseObject({ key: z.string(), path: z.string(), mode })));
const fileSources = {
  configMap: optional(z.looseObject({ name: z.string(), items, defaultMode: mode, optional: optional(z.boolean()) })),
  downwardAPI: optional(
    z.looseObject({ items: z.array(z.looseObject({ path: z.string(), fieldRef: fieldSelector })), defaultMode: mode }),
  ),
};
const projectionSchema = z.looseObject({
  ...fileSources,
  secret: optional(z.looseObject({ name: z.string(), items, optional: optional(z.boolean()) })),
});
const volumeSchema = z.looseObject({
  name: dnsLabel,
  ...fileSources,
  secret: optional(
    z.looseObject({ secretName: z.string(), items, defaultMode: mode, optional: optional(z.boolean()) }),
  ),
  emptyDir: optional(z.looseObject({ medium: optional(z.string()), sizeLimit: optional(z.unknown()) })),
  projected: optional(z.looseObject({ sources: z.array(projectionSchema), defaultMode: mode })),
});
export type Volume = z.infer<typeof volumeSchema>;
export type Projection = z.infer<typeof projectionSchema>;

const podSpecSchema = z
  .looseObject({
    containers: z.array(containerSchema).min(1),
    initContainers: optional(z.array(containerSchema)),
    volumes: optional(z.array(volumeSchema)),
    restartPolicy: optional(z.enum(["Always", "OnFailure", "Never"])),
    terminationGracePeriodSeconds: seconds(0),
    serviceAccountName: optional(z.string()),
    hostNetwork: optional(z.boolean()),
  })
  .superRefine((pod, issues) => {
    const known = new Set(pod.volumes?.map((volume) => volume.name));
    const names = new Set<string>();
    for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
      if (names.has(container.name)) issues.addIssue(`container name ${container.name}: Duplicate value`);
      names.add(container.name);
      const paths = new Set<string>();
      for (const mount of container.volumeMounts ?? []) {
        if (!known.has(mount.name))
          issues.addIssue(`${container.name}.volumeMounts ${mount.mountPath}: Not found: "${mount.name}"`);
        if (paths.has(mount.mountPath))
          issues.addIssue(`${container.name}.volumeMounts ${mount.mountPath}: must be unique`);
        paths.add(mount.mountPath);
      }
    }
    for (const volume of pod.volumes ?? []) {
      const sources = [volume.configMap, volume.secret, volume.emptyDir, volume.projected, volume.downwardAPI].filter(
        Boolean,
      );
      if (sources.length !== 1)
        issues.addIssue(
          `volume ${volume.name}: on this machine exactly one of configMap, secret, emptyDir, projected, downwardAPI`,
        );
    }
  });
export type PodSpec = z.infer<typeof podSpecSchema>;

export const podTemplateSchema = z.looseObject({ metadata: optional(metadataSchema), spec: podSpecSchema });
export type PodTemplate = z.infer<typeof podTemplateSchema>;
