// Knows the app's Home tab: what is published for you, and what to say before anything is.

import { el } from "/static/dom.js";
import { blockNodes } from "/static/blocks.js";
import { Form } from "/static/elements.js";
import { appHead, emptyNote } from "/static/heads.js";
import { store } from "/static/store.js";
import { underWay } from "/static/toasts.js";
import { act } from "/static/wire.js";

let drawn = "";

export function drawHome(place) {
  const view = store.homes.get(store.me);
  const key = `${store.me} ${view?.hash ?? "none"}`;
  if (drawn === key && place.querySelector("#home")) return;
  drawn = key;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.actionId : "";
  place.setAttribute("aria-label", `${store.app.name} Home`);
  const body = el("div", { class: "home", id: "home", tabindex: "-1" });
  place.replaceChildren(appHead("home"), el("div", { class: "messages home-scroll", id: "messages" }, body));
  if (!view) {
    body.append(emptyNote(
      el("p", {}, `${store.app.name} has put nothing on your Home yet.`),
      el("p", { class: "muted" }, store.connections || store.app.mode === "http" ? "It was just told that you are here." : "It is not connected.")));
    return;
  }
  body.dataset.viewId = view.id;
  body.dataset.callbackId = view.callback_id;
  const form = new Form(view.state.values);
  const context = {
    form,
    headings: "h2",
    use: (block, element, value, node) => underWay(node, () => act("click_in_view", {
      user: store.me, view_id: view.id, action_id: element.action_id, block_id: block.block_id, value, values: form.values(),
    })),
  };
  body.append(...blockNodes(view.blocks, context));
  if (focused) body.querySelector(`[data-action-id="${CSS.escape(focused)}"]`)?.focus();
}
