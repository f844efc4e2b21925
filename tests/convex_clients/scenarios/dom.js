// A page without a browser. To be imported before React is.

import { Window } from "happy-dom";

const window = new Window({ url: "http://localhost/" });
Object.assign(globalThis, { window, document: window.document });

const { createElement: h, StrictMode } = await import("react");
const { createRoot } = await import("react-dom/client");

// Show an element on a page of its own, twice over in the way that brings out careless effects.
export function render(element) {
  const root = createRoot(window.document.createElement("div"));
  root.render(h(StrictMode, null, element));
  return root;
}
