// Knows how a failure is told in passing; leaves when to the callers.

import { el, icon } from "/static/dom.js";

const SECONDS = 7;

export function toast(text) {
  const shelf = document.getElementById("toasts");
  const note = el("div", { class: "toast" }, icon("warn"), el("span", {}, text));
  const gone = () => note.remove();
  note.append(el("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", onclick: gone }, icon("close")));
  shelf.append(note);
  setTimeout(gone, SECONDS * 1000);
}

// Shows on a control that its use is under way, then a warning where it failed.
export async function underWay(node, work) {
  node.classList.remove("failed");
  node.removeAttribute("title");
  node.setAttribute("aria-busy", "true");
  const reply = await work();
  node.removeAttribute("aria-busy");
  if (!reply.ok && reply.notice) {
    node.classList.add("failed");
    node.title = reply.notice;
    toast(reply.notice);
  }
  return reply;
}
