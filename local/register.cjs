/**
 * Loads TypeScript as plain CommonJS, each file transpiled once and then kept in node_modules/.cache. A general loader
 * (tsx) costs every command of the local cloud two seconds of a small machine: module hooks in a thread of their own,
 * and source maps for the thousands of stack traces that Pulumi takes.
 */
"use strict";
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const modules = require("node:module");
const { join } = require("node:path");
const process = require("node:process");

const cache = join(module.path, "..", "node_modules", ".cache", "authensor");
const version = `${require("esbuild/package.json").version} ${process.versions.node.split(".")[0]}`;

modules.enableCompileCache?.(); // Node.js 22 and later
if (process.env.DEBUG) process.setSourceMapsEnabled(true);

/**
 * What Pulumi's SDK loads to turn JavaScript functions into resources: half of its loading time, for something that the
 * local cloud does not offer. Loaded when first looked at.
 */
const seldom = new Set(["typescript", "@npmcli/arborist", "normalize-package-data"]);
const load = modules._load;
modules._load = function (request, parent, isMain) {
  const now = () => load.call(this, request, parent, isMain);
  if (!seldom.has(request) || !parent?.filename?.includes(join("@pulumi", "pulumi"))) return now();
  let loaded;
  const get = (_, key) => (key === "__esModule" ? true : (loaded ??= now())[key]);
  return new Proxy({}, { get });
};

modules._extensions[".ts"] = (module, filename) => {
  const source = readFileSync(filename, "utf8");
  const key = createHash("sha256").update([version, filename, source].join("\0")).digest("hex");
  module._compile(
    kept(`${key}.js`, () => transpile(source, filename)),
    filename,
  );
};

function transpile(source, filename) {
  return require("esbuild").transformSync(source, {
    loader: "ts",
    format: "cjs",
    target: `node${process.versions.node}`,
    sourcefile: filename,
    sourcemap: "inline",
  }).code;
}

function kept(name, make) {
  const file = join(cache, name);
  try {
    return readFileSync(file, "utf8");
  } catch {
    const code = make();
    try {
      mkdirSync(cache, { recursive: true });
      writeFileSync(`${file}.${process.pid}`, code);
      renameSync(`${file}.${process.pid}`, file);
    } catch {
      // a checkout that cannot be written to only costs time
    }
    return code;
  }
}
