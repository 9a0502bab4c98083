import type { Handler, Invoke } from "../handler";
import { configMapHandler, secretHandler } from "./configuration";
import { cronJobHandler } from "./cronJob/handler";
import { deploymentHandler } from "./deployment";
import { jobHandler } from "./job";
import { namespaceHandler } from "./namespace";
import { token } from "./objects";
import { recordedHandlers } from "./recorded";
import { serviceHandler } from "./service";

/** Every Kubernetes kind that the local cloud knows, by its Pulumi type token. */
export const handlers: Record<string, Handler> = {
  ...recordedHandlers,
  [token.namespace]: namespaceHandler,
  [token.configMap]: configMapHandler,
  [token.secret]: secretHandler,
  [token.service]: serviceHandler,
  [token.deployment]: deploymentHandler,
  [token.job]: jobHandler,
  [token.cronJob]: cronJobHandler,
};

/** The provider has no data sources that this program could ask. */
export const invokes: Record<string, Invoke> = {};
