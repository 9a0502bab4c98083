/** Where node starts one of the ops programs, whose file is the first argument. */
"use strict";
const process = require("node:process");
require("./register.cjs");

const [program] = process.argv.splice(2, 1);
process.argv[1] = program;
require(program);
