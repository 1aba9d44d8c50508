// A picture with a palette of 64 colours, which is a third of the size: node smaller.js FROM TO

import { readFileSync, writeFileSync } from "node:fs";

import UPNG from "upng-js";

const COLOURS = 64;
const [, , from, to] = process.argv;
const large = UPNG.decode(readFileSync(from));
const pixels = UPNG.toRGBA8(large)[0];
writeFileSync(to, Buffer.from(UPNG.encode([pixels], large.width, large.height, COLOURS)));
