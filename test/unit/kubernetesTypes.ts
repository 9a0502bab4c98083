/** The parts of Kubernetes' objects that tests read out of recorded inputs. */
type Json = Record<string, unknown>;

export type Probe = Json & { periodSeconds?: number; timeoutSeconds?: number; failureThreshold?: number };

export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  securityContext: Json;
  resources: Json;
  lifecycle?: Json;
  ports?: Json[];
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
}

export interface PodTemplate {
  metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
  spec: Json & {
    securityContext: Json;
    automountServiceAccountToken: boolean;
    terminationGracePeriodSeconds?: number;
    topologySpreadConstraints?: Json[];
    containers: Container[];
    volumes: Json[];
  };
}

export interface Deployment {
  metadata: Json;
  spec: { replicas: number; strategy: Json; selector: { matchLabels: Json }; template: PodTemplate };
}

export interface NetworkPolicy {
  metadata: Json;
  spec: Json & { egress: Json[]; ingress: Json[] };
}
