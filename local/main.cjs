/** Where node starts: an entry of plain JavaScript is read the same way by every version of it. */
"use strict";
require("./register.cjs");
require("./cli.ts");
