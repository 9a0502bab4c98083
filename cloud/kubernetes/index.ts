import type { Handler, Invoke } from "../handler";
import { configMapHandler, secretHandler } from "./configuration";
import { cronJobHandler } from "./cronJob/handler";
import { deploymentHandler } from "./deployment";
import { jobHandler } from "./job";
import { namespaceHandler } from "./namespace";
import { planned, token } from "./objects";
import { recordedHandlers } from "./recorded";
import { serviceHandler } from "./service";

const kinds: Record<string, Handler> = {
  ...recordedHandlers,
  [token.namespace]: namespaceHandler,
  [token.configMap]: configMapHandler,
  [token.secret]: secretHandler,
  [token.service]: serviceHandler,
  [token.deployment]: deploymentHandler,
  [token.job]: jobHandler,
  [token.cronJob]: cronJobHandler,
};

/** Every Kubernetes kind that the local cloud knows, by its Pulumi type token. */
export const handlers: Record<string, Handler> = Object.fromEntries(
  Object.entries(kinds).map(([type, handler]) => [type, { planned, ...handler }]),
);

/** The provider has no data sources that this program could ask. */
export const invokes: Record<string, Invoke> = {};
