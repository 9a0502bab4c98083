/** Where node starts: an entry of plain JavaScript, up to its first require in words that every version of it knows. */
"use strict";
/* global process -- Node.js 12 cannot require "node:process" */
if (Number(process.versions.node.split(".")[0]) < 20) {
  process.stderr.write("error: Node.js 20 or newer is needed, this is " + process.version + "\n");
  process.exit(1);
}

require("./packages.cjs");
// bundles/kept.ts
if (process.env.AUTHENSOR_BUNDLES === undefined) process.env.AUTHENSOR_BUNDLES = "kept";
require("./register.cjs");
require("./cli.ts");
