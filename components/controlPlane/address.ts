/** Fixed: agents hold this address. */
export const controlPlaneService = "control-plane";
/** What its Service leads to. */
export const controlPlanePort = 3000;
/** Inside the cluster. */
export const controlPlaneUrl = (namespace: string) =>
  `http://${controlPlaneService}.${namespace}.svc.cluster.local:${controlPlanePort}`;
