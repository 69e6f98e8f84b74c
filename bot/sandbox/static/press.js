// Knows whether something is being pressed. A button that is drawn anew between press and release is never
// clicked, so the page keeps still until the mouse, the finger or the space bar is let go.

const down = new Set();
const waiting = new Set();

function press(what) {
  down.add(what);
}

function letGo(...what) {
  for (const one of what) down.delete(one);
  if (down.size) return;
  const due = [...waiting];
  waiting.clear();
  for (const draw of due) requestAnimationFrame(draw); // the click comes right after the release, and before this
}

addEventListener("pointerdown", () => press("pointer"), true);
addEventListener("pointerup", () => letGo("pointer"), true);
addEventListener("pointercancel", () => letGo("pointer"), true);
addEventListener("keydown", (event) => event.key === " " && press("space"), true);
addEventListener("keyup", (event) => event.key === " " && letGo("space"), true);
addEventListener("blur", () => letGo("pointer", "space")); // a release outside the window is never told

// Calls `draw` in the next frame in which nothing is being pressed.
export function whenStill(draw) {
  if (down.size) waiting.add(draw);
  else requestAnimationFrame(() => (down.size ? waiting.add(draw) : draw()));
}
