/**
 * Requests and answers that are streams of events: S3 has one (SelectObjectContent), which no program here calls. Bundles have this in
 * place of the SDK's own (components/programs/opsBundle.ts), which is a sixteenth of what a ConfigMap holds.
 */
export const resolveEventStreamSerdeConfig = <Config>(config: Config): Config => config;

export const eventStreamSerdeProvider = (): never => {
  throw new Error("this program was bundled without event streams");
};
