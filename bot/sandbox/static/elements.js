// Knows Block Kit's interactive elements as accessible controls, and what each one holds; leaves where
// a use of them is sent to the `use` function it is given.

import { arrowKeys, el, icon } from "/static/dom.js";
import { people } from "/static/store.js";
import { confirmed } from "/static/confirm.js";
import { textNodes } from "/static/mrkdwn.js";

let numbered = 0;
export const freshId = (prefix) => `${prefix}-${(numbered += 1)}`;

const optionsOf = (element) => element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);
const flat = (text) => text?.text ?? "";

// A form collects what its controls hold: {block_id: {action_id: value}}.
export class Form {
  constructor(state = {}) {
    this.state = state;
    this.controls = [];
  }

  held(blockId, element) {
    const typed = this.state[blockId]?.[element.action_id];
    if (!typed) return undefined;
    const value = Object.entries(typed).find(([name]) => name !== "type" && name !== "timezone")?.[1];
    if (Array.isArray(value)) return value.map((one) => one.value ?? one);
    return value?.value ?? value ?? undefined;
  }

  add(blockId, actionId, read) {
    this.controls.push({ blockId, actionId, read });
  }

  values() {
    const values = {};
    for (const { blockId, actionId, read } of this.controls) (values[blockId] ??= {})[actionId] = read();
    return values;
  }
}

function buttonElement(block, element, context) {
  const style = element.style === "primary" ? "primary" : element.style === "danger" ? "danger" : "";
  const node = el(
    "button",
    {
      type: "button",
      class: `button ${style}`,
      "aria-label": element.accessibility_label,
      dataset: { actionId: element.action_id, blockId: block.block_id },
    },
    el("span", { class: "button-text" }, ...textNodes(element.text)),
  );
  node.addEventListener("click", async () => {
    if (node.getAttribute("aria-busy") === "true" || !(await confirmed(element.confirm, node))) return;
    if (/^(https?:|mailto:)/i.test(element.url ?? "")) window.open(element.url, "_blank", "noopener,noreferrer");
    await context.use(block, element, undefined, node);
  });
  return node;
}

function pick(context, block, element, node, read) {
  node.addEventListener("change", async () => {
    if (await confirmed(element.confirm, node)) await context.use(block, element, read(), node);
  });
}

function selectElement(block, element, context, id) {
  const isUsers = element.type === "users_select";
  const held = context.form.held(block.block_id, element) ?? "";
  const node = el("select", { id, class: "select", dataset: { actionId: element.action_id, blockId: block.block_id } });
  node.append(el("option", { value: "" }, flat(element.placeholder) || (isUsers ? "Choose a person" : "Choose an option")));
  const entry = (option) => el("option", { value: option.value }, flat(option.text));
  if (isUsers) node.append(...people().map((user) => el("option", { value: user.id }, user.real_name)));
  else if (element.option_groups) {
    node.append(...element.option_groups.map((group) =>
      el("optgroup", { label: flat(group.label) }, ...group.options.map(entry))));
  } else node.append(...element.options.map(entry));
  node.value = held;
  context.form.add(block.block_id, element.action_id, () => node.value || null);
  pick(context, block, element, node, () => node.value || null);
  return node;
}

function multiElement(block, element, context, id) {
  const isUsers = element.type === "multi_users_select";
  const choices = isUsers
    ? people().map((user) => ({ value: user.id, text: { text: user.real_name } }))
    : optionsOf(element);
  const held = new Set(context.form.held(block.block_id, element) ?? []);
  const summary = el("summary", { id, class: "select" });
  const node = el("details", { class: "multi", dataset: { actionId: element.action_id, blockId: block.block_id } }, summary);
  const boxes = choices.map((choice) => el("input", { type: "checkbox", value: choice.value, checked: held.has(choice.value) }));
  const read = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const say = () => {
    const names = choices.filter((choice, at) => boxes[at].checked).map((choice) => flat(choice.text));
    summary.replaceChildren(names.join(", ") || flat(element.placeholder) || "Choose any");
  };
  node.append(el("div", { class: "multi-list" }, ...choices.map((choice, at) => el("label", {}, boxes[at], flat(choice.text)))));
  node.addEventListener("change", () => {
    const most = element.max_selected_items;
    boxes.forEach((box) => { box.disabled = Boolean(most) && read().length >= most && !box.checked; });
    say();
  });
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && node.open) {
      event.preventDefault();
      event.stopPropagation();
      node.open = false;
      summary.focus();
    }
  });
  say();
  context.form.add(block.block_id, element.action_id, read);
  pick(context, block, element, node, read);
  return node;
}

function groupElement(block, element, context, id) {
  const isRadio = element.type === "radio_buttons";
  const held = [context.form.held(block.block_id, element) ?? []].flat();
  const name = freshId("group");
  const inputs = element.options.map((option) =>
    el("input", { type: isRadio ? "radio" : "checkbox", name, value: option.value, checked: held.includes(option.value) }));
  const read = () => {
    const chosen = inputs.filter((input) => input.checked).map((input) => input.value);
    return isRadio ? chosen[0] ?? null : chosen;
  };
  const node = el(
    "div",
    { id, class: "choices", role: isRadio ? "radiogroup" : "group", dataset: { actionId: element.action_id, blockId: block.block_id } },
    ...element.options.map((option, at) =>
      el("label", {}, inputs[at], el("span", {}, ...textNodes(option.text),
        option.description && el("small", {}, ...textNodes(option.description))))),
  );
  context.form.add(block.block_id, element.action_id, read);
  pick(context, block, element, node, read);
  return node;
}

const TYPES = {
  number_input: ["text", "decimal"], email_text_input: ["email", "email"], url_text_input: ["url", "url"],
  datepicker: ["date", ""], timepicker: ["time", ""], datetimepicker: ["datetime-local", ""], plain_text_input: ["text", ""],
};

function localTime(seconds) {
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function textElement(block, element, context, id) {
  const long = element.type === "plain_text_input" && element.multiline;
  const [type, mode] = TYPES[element.type];
  const isMoment = element.type === "datetimepicker";
  const held = context.form.held(block.block_id, element);
  const node = el(long ? "textarea" : "input", {
    id, class: "text", placeholder: flat(element.placeholder), inputmode: mode || undefined, autocomplete: "off",
    dataset: { actionId: element.action_id, blockId: block.block_id },
  });
  if (!long) node.type = type;
  if (long) node.rows = Math.min(12, Math.max(4, String(held ?? "").split("\n").length + 1));
  if (element.max_length) node.maxLength = element.max_length;
  node.value = held === undefined ? "" : isMoment ? localTime(held) : held;
  const read = () => {
    if (!node.value) return null;
    return isMoment ? Math.round(new Date(node.value).getTime() / 1000) : node.value;
  };
  context.form.add(block.block_id, element.action_id, read);
  const isPicker = ["datepicker", "timepicker", "datetimepicker"].includes(element.type);
  if (isPicker) pick(context, block, element, node, read);
  else if (block.dispatch_action) {
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !long) {
        event.preventDefault();
        context.use(block, element, read(), node);
      }
    });
  }
  return node;
}

function overflowElement(block, element, context, id) {
  const menu = el("div", { class: "menu", role: "menu", hidden: true });
  const opener = el(
    "button",
    { id, type: "button", class: "button icon-only", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": "More actions",
      dataset: { actionId: element.action_id, blockId: block.block_id } },
    icon("more"),
  );
  const show = (open) => {
    menu.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) menu.firstElementChild.focus();
  };
  for (const option of element.options) {
    menu.append(el("button", {
      type: "button", role: "menuitem", tabindex: "-1", dataset: { value: option.value },
      onclick: async () => {
        show(false);
        opener.focus();
        if (await confirmed(element.confirm, opener)) await context.use(block, element, option.value, opener);
      },
    }, ...textNodes(option.text)));
  }
  opener.addEventListener("click", () => show(menu.hidden));
  arrowKeys(menu, "[role=menuitem]");
  const wrap = el("span", { class: "overflow" }, opener, menu);
  wrap.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !menu.hidden) {
      event.preventDefault();
      event.stopPropagation();
      show(false);
      opener.focus();
    }
  });
  wrap.addEventListener("focusout", (event) => {
    if (!wrap.contains(event.relatedTarget)) show(false);
  });
  return wrap;
}

const MAKERS = {
  button: buttonElement, static_select: selectElement, users_select: selectElement,
  multi_static_select: multiElement, multi_users_select: multiElement, checkboxes: groupElement,
  radio_buttons: groupElement, overflow: overflowElement, plain_text_input: textElement,
  number_input: textElement, email_text_input: textElement, url_text_input: textElement,
  datepicker: textElement, timepicker: textElement, datetimepicker: textElement,
};

// `context` is {form, use(block, element, value, node), label}; `id` names the control for its label.
export function control(block, element, context, id = freshId("control")) {
  const maker = MAKERS[element.type];
  if (!maker) return el("span", { class: "muted" }, `[${element.type}]`);
  const node = maker(block, element, context, id);
  const named = node.id === id ? node : node.querySelector(`#${id}`);
  if (named && context.label && element.type !== "overflow" && !named.hasAttribute("aria-label")) {
    named.setAttribute("aria-label", flat(element.placeholder) || context.label);
  }
  return node;
}
