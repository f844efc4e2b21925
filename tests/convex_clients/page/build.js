// Make of the page what a browser loads.

import { build } from "esbuild";

await build({
  entryPoints: ["page.jsx"],
  outfile: "bundle.js",
  bundle: true,
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
});
