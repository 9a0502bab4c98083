import type { Context, Handler, Properties, Resource } from "../handler";
import { sleep } from "../host/wait";
import { admitObject, identify, metadataOf, stored, type Identity } from "./objects";
import { Pod } from "./pod";
import { rollOut } from "./rollout";
import { admit, deploymentSchema, type Deployment } from "./spec";

/** An unready pod is given this long to recover by itself before it is restarted: what it needs may just have been. */
const recoveryMs = 6000;

/** A Deployment: so many processes, rolled over one by one when its template changes. */
export const deploymentHandler: Handler = {
  replaceOnChange: ["metadata.name", "metadata.namespace", "spec.selector"],
  deleteBeforeReplace: (inputs) => metadataOf(inputs).name !== undefined,

  async create(inputs, context) {
    const identity = identify(inputs, context);
    const deployment = admit("Deployment", identity.name, deploymentSchema, inputs);
    admitObject(identity, context);
    await rollOut(deployment.spec, identity, context);
    return { id: identity.id, outputs: outputsOf(inputs, identity, context) };
  },

  async update(current, inputs, context) {
    const identity = identify(current.outputs, context);
    const deployment = admit("Deployment", identity.name, deploymentSchema, inputs);
    await rollOut(deployment.spec, identity, context);
    return outputsOf(inputs, identity, context, current);
  },

  async heal(current, context) {
    const { spec } = specOf(current);
    for (const pod of Pod.list(context)) {
      if (!pod.alive) pod.announce(false);
    }
    await Promise.all(Pod.list(context).map((pod) => recover(pod, context)));
    const did = await rollOut(spec, identify(current.outputs, context), context);
    return did === undefined ? undefined : { did };
  },

  async stop(_current, context) {
    // Everything stops, and a Service before its pods: there is nobody to whom a preStop hook could send new clients.
    await Promise.all(Pod.list(context).map((pod) => pod.end({ hooks: false })));
  },

  async delete(_current, context) {
    await Promise.all(Pod.list(context).map((pod) => pod.remove()));
  },

  async status(current, context) {
    const wanted = specOf(current).spec.replicas ?? 1;
    const pods = Pod.list(context);
    const failures = await Promise.all(pods.map((pod) => pod.probe()));
    const ready = failures.filter((failure) => failure === undefined).length;
    const trouble = failures.find((failure) => failure !== undefined);
    const text = [
      `${ready}/${wanted} ready`,
      ...new Set(pods.map((pod) => pod.text)),
      ...(trouble === undefined ? [] : [trouble]),
    ];
    return { healthy: ready >= wanted, text: text.join(" · ") };
  },
};

const specOf = (current: Resource): Deployment => admit("Deployment", current.name, deploymentSchema, current.inputs);

/** Waits for a pod that lives and is not ready; one that stays so is ended, to be started again. */
async function recover(pod: Pod, context: Context): Promise<void> {
  if (!pod.alive) return;
  const deadline = Date.now() + recoveryMs;
  for (;;) {
    const failure = await pod.probe();
    if (failure === undefined) {
      if (!pod.ready) pod.announce(true);
      return;
    }
    if (!pod.alive) return;
    if (pod.ready) pod.announce(false);
    if (Date.now() > deadline) {
      context.log(`pod ${pod.name}: ${failure}: restarting it`);
      return pod.kill();
    }
    await sleep(200, context.signal);
  }
}

function outputsOf(inputs: Properties, identity: Identity, context: Context, before?: Resource): Properties {
  const replicas = Pod.list(context).length;
  const outputs = stored(inputs, identity, context.directory, before);
  const counts = { replicas, readyReplicas: replicas, availableReplicas: replicas, updatedReplicas: replicas };
  const conditions = ["Available", "Progressing"].map((type) => ({ type, status: "True" }));
  return { ...outputs, status: { ...counts, observedGeneration: metadataOf(outputs)["generation"], conditions } };
}
