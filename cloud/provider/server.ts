/**
 * The local cloud behind Pulumi's own engine: one gRPC server that answers for every package
 * (PULUMI_DEBUG_PROVIDERS="aws:<port>,kubernetes:<port>,…"). It takes no secrets: the engine then unwraps them before it asks, and marks
 * each output that has the name of a secret input.
 */
import * as grpc from "@grpc/grpc-js";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import type { Path } from "../engine/diff";
import type { Invoke, Properties } from "../handler";
import type { Existing, Named, Resources } from "./resources";

export interface ProviderServer {
  /** For PULUMI_DEBUG_PROVIDERS. */
  providers: string;
  close(): void;
}

export interface ProviderServerOptions {
  resources: Resources;
  invokes: Record<string, Invoke>;
  /** The Pulumi packages that it answers for. */
  packages: readonly string[];
}

/** The engine asks for the version of the program's package, or a later one. */
const anyVersion = "1000.0.0";

export async function serveProviders({ resources, invokes, packages }: ProviderServerOptions): Promise<ProviderServer> {
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  server.addService(ResourceProviderService, {
    attach: answer(() => new Empty()),
    cancel: answer(() => new Empty()),
    getPluginInfo: answer(() => {
      const info = new plugin.PluginInfo();
      info.setVersion(anyVersion);
      return info;
    }),

    checkConfig: answer((request: rpc.CheckRequest) => checked(request)),
    configure: answer((request: rpc.ConfigureRequest) => {
      resources.configure(request.getType() ?? "", propertiesOf(request.getArgs()));
      const response = new rpc.ConfigureResponse();
      response.setSupportspreview(true);
      return response;
    }),

    invoke: answer(async (request: rpc.InvokeRequest) => {
      const token = request.getTok();
      const invoke = invokes[token];
      if (!invoke) throw new Error(`${token}: the local cloud has no answer to this look-up; add one`);
      const response = new rpc.InvokeResponse();
      response.setReturn(structOf(await invoke(propertiesOf(request.getArgs()), resources.live)));
      return response;
    }),

    check: answer((request: rpc.CheckRequest) => checked(request)),
    diff: answer((request: rpc.DiffRequest) => {
      const [before, after] = [propertiesOf(request.getOldInputs()), propertiesOf(request.getNews())];
      const { paths, replaces, deleteBeforeReplace } = resources.diff(named(request), before, after);
      const response = new rpc.DiffResponse();
      const { DIFF_NONE, DIFF_SOME } = rpc.DiffResponse.DiffChanges;
      response.setChanges(paths.length === 0 ? DIFF_NONE : DIFF_SOME);
      response.setReplacesList([...new Set(replaces.map(([key]) => String(key)))]);
      response.setDiffsList([...new Set(paths.map(([key]) => String(key)))]);
      response.setDeletebeforereplace(deleteBeforeReplace);
      response.setHasdetaileddiff(true);
      for (const path of paths) {
        const { UPDATE, UPDATE_REPLACE } = rpc.PropertyDiff.Kind;
        const difference = new rpc.PropertyDiff();
        difference.setKind(replaces.includes(path) ? UPDATE_REPLACE : UPDATE);
        difference.setInputdiff(true);
        response.getDetaileddiffMap().set(written(path), difference);
      }
      return response;
    }),
    create: answer(async (request: rpc.CreateRequest) => {
      const inputs = propertiesOf(request.getProperties());
      const response = new rpc.CreateResponse();
      const { id, outputs } = request.getPreview()
        ? { id: "", outputs: resources.planned(named(request), inputs) }
        : await resources.create(named(request), inputs);
      response.setId(id);
      response.setProperties(structOf(outputs));
      return response;
    }),
    update: answer(async (request: rpc.UpdateRequest) => {
      const inputs = propertiesOf(request.getNews());
      const response = new rpc.UpdateResponse();
      const outputs = request.getPreview()
        ? resources.planned(existing(request), inputs)
        : await resources.update(existing(request), inputs);
      response.setProperties(structOf(outputs));
      return response;
    }),
    read: answer(async (request: rpc.ReadRequest) => {
      const response = new rpc.ReadResponse();
      const found = await resources.read(existing(request));
      if (!found) return response;
      response.setId(request.getId());
      response.setProperties(structOf(found.outputs));
      response.setInputs(structOf(found.inputs));
      return response;
    }),
    delete: answer(async (request: rpc.DeleteRequest) => {
      await resources.delete(existing(request));
      return new Empty();
    }),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return {
    providers: packages.map((name) => `${name}:${port}`).join(),
    close: () => server.forceShutdown(),
  };
}

const answer =
  <Request, Response>(work: (request: Request) => Response | Promise<Response>) =>
  ({ request }: { request: Request }, callback: grpc.sendUnaryData<Response>): void => {
    Promise.resolve(request)
      .then(work)
      .then(
        (response) => callback(null, response),
        (error: Error) => callback({ code: grpc.status.UNKNOWN, details: error.message }),
      );
  };

/** What a program may write, the handlers check when they make it. */
function checked(request: rpc.CheckRequest): rpc.CheckResponse {
  const response = new rpc.CheckResponse();
  response.setInputs(request.getNews());
  return response;
}

type OfResource = { getUrn(): string; getType(): string; getName(): string };

const named = (request: OfResource): Named => ({
  urn: request.getUrn(),
  type: request.getType(),
  name: request.getName(),
});
const existing = (request: OfResource & { getId(): string }): Existing => ({ ...named(request), id: request.getId() });

const propertiesOf = (struct: Struct | undefined): Properties => struct?.toJavaScript() ?? {};
const structOf = (properties: Properties): Struct =>
  Struct.fromJavaScript(properties as Parameters<typeof Struct.fromJavaScript>[0]);

/** As Pulumi writes a path: `spec.ports[0]["a.b"]`. */
function written(path: Path): string {
  const steps = path.map((step) =>
    /^\d+$/.test(String(step)) ? `[${step}]` : /^\w+$/.test(String(step)) ? `.${step}` : `["${step}"]`,
  );
  return steps.join("").replace(/^\./, "");
}
