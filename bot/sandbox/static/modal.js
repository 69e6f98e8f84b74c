// Knows the stack of modals: what is on top is shown, what lies below keeps what was typed.

import { el, icon } from "/static/dom.js";
import { blockNodes } from "/static/blocks.js";
import { Form } from "/static/elements.js";
import { textNodes } from "/static/mrkdwn.js";
import { store } from "/static/store.js";
import { toast, underWay } from "/static/toasts.js";
import { act } from "/static/wire.js";

const dialog = document.getElementById("modal");
let drawn = new Map(); // view id -> {hash, node, form}
let opener = null;
let owner = "";

const FIELD = "input, textarea, select, summary, button";

function showErrors(node, errors) {
  for (const block of node.querySelectorAll("[data-input-block]")) {
    const text = errors[block.dataset.inputBlock] ?? "";
    block.querySelector(".input-error").replaceChildren(...(text ? [icon("warn"), text] : []));
    block.classList.toggle("wrong", Boolean(text));
    block.querySelectorAll("input, textarea, select").forEach((field) =>
      text ? field.setAttribute("aria-invalid", "true") : field.removeAttribute("aria-invalid"));
  }
  node.querySelector(`.wrong :is(${FIELD})`)?.focus();
}

function build(view, depth, before) {
  const state = structuredClone(view.state.values);
  if (before) {
    for (const [blockId, actions] of Object.entries(before.form.values())) {
      for (const [actionId, value] of Object.entries(actions)) {
        const typed = state[blockId]?.[actionId];
        const name = typed && Object.keys(typed).find((key) => key !== "type" && key !== "timezone");
        if (name) typed[name] = value; // typed but not yet submitted survives an update of the view
      }
    }
  }
  const form = new Form(state);
  const user = view.owner;
  const context = {
    form,
    use: async (block, element, value, node) => {
      if (block.type === "input" && !block.dispatch_action) return { ok: true };
      return underWay(node, () => act("click_in_view", {
        user, view_id: view.id, action_id: element.action_id, block_id: block.block_id, value, values: form.values(),
      }));
    },
  };
  const trouble = el("div", { class: "modal-trouble", role: "alert" });
  const close = () => act("close_view", { user, view_id: view.id });
  const submit = view.submit && el("button",
    { type: "submit", class: "button primary", dataset: { modal: "submit" }, disabled: view.submit_disabled },
    el("span", { class: "button-text" }, ...textNodes(view.submit)));
  const node = el("form", { class: "modal-form", novalidate: true, dataset: { viewId: view.id, callbackId: view.callback_id } },
    el("div", { class: "modal-head" },
      depth > 1 && el("button", { type: "button", class: "icon-button", "aria-label": "Back", onclick: close }, icon("back")),
      el("h2", { id: "modal-title", tabindex: "-1" }, ...textNodes(view.title)),
      depth > 1 && el("span", { class: "muted depth" }, `${depth} of 3`),
      el("button", { type: "button", class: "icon-button", "aria-label": "Close", dataset: { modal: "close" },
        onclick: () => act("close_view", { user, view_id: view.id, clear: depth > 1 }) }, icon("close"))),
    el("div", { class: "modal-body" }, ...blockNodes(view.blocks, context)),
    trouble,
    el("div", { class: "dialog-foot" },
      el("button", { type: "button", class: "button", dataset: { modal: "cancel" }, onclick: close },
        ...(view.close ? textNodes(view.close) : [view.submit ? "Cancel" : "Close"])),
      submit));
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!submit || submit.getAttribute("aria-busy") === "true") return;
    showErrors(node, {});
    trouble.replaceChildren();
    submit.setAttribute("aria-busy", "true");
    const reply = await act("submit", { user, view_id: view.id, values: form.values() });
    submit.removeAttribute("aria-busy");
    if (Object.keys(reply.errors ?? {}).length) showErrors(node, reply.errors);
    else if (!reply.ok) trouble.replaceChildren(icon("warn"), reply.notice || "We had some trouble connecting. Try again?");
  });
  node.addEventListener("input", (event) => {
    const block = event.target.closest(".wrong");
    if (!block) return;
    block.classList.remove("wrong");
    block.querySelector(".input-error").replaceChildren();
    event.target.removeAttribute("aria-invalid");
  });
  return { hash: view.hash, node, form };
}

// A field that would have to be scrolled to does not get the focus: what stands above it is read first.
function focusFirst(node) {
  const asked = node.querySelector("[data-focus-on-load]");
  const first = asked
    ?? node.querySelector(`.modal-body .input :is(${FIELD})`)
    ?? node.querySelector(`.modal-body :is(${FIELD})`);
  const end = node.querySelector(".modal-body").getBoundingClientRect().bottom;
  const inSight = first && (asked || first.getBoundingClientRect().bottom <= end);
  (inSight ? first : node.querySelector("h2")).focus();
}

export function drawModal() {
  const views = store.stacks.get(store.me) ?? [];
  if (owner !== store.me) {
    drawn = new Map();
    owner = store.me;
  }
  for (const id of drawn.keys()) if (!views.some((view) => view.id === id)) drawn.delete(id);
  const view = views.at(-1);
  if (!view) {
    if (dialog.open) {
      dialog.close();
      const back = opener?.isConnected ? opener : document.querySelector("#messages");
      back?.focus?.({ preventScroll: true });
    }
    return;
  }
  let entry = drawn.get(view.id);
  const isNew = !entry;
  const renewed = entry && entry.hash !== view.hash;
  if (isNew || renewed) {
    entry = build({ ...view, owner: store.me }, views.length, entry);
    drawn.set(view.id, entry);
  }
  if (!dialog.open) {
    opener = document.activeElement === document.body ? opener : document.activeElement;
    dialog.replaceChildren(entry.node);
    dialog.showModal();
  } else if (dialog.firstElementChild !== entry.node) dialog.replaceChildren(entry.node);
  else return;
  focusFirst(entry.node);
}

// Esc closes through the stack like the buttons do, wherever the focus is; the dialog follows the stack.
function askToClose() {
  const view = (store.stacks.get(store.me) ?? []).at(-1);
  if (view) act("close_view", { user: store.me, view_id: view.id }).then((reply) => reply.ok || toast(reply.notice));
}

dialog.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.preventDefault();
  askToClose();
});
dialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  askToClose();
});
dialog.addEventListener("close", askToClose); // a browser may close it without asking a second time
