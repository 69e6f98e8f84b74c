// Knows how each block is laid out; leaves interactive elements to elements.js and text to mrkdwn.js.

import { el } from "/static/dom.js";
import { control, freshId } from "/static/elements.js";
import { richText, textNodes } from "/static/mrkdwn.js";

// The page loads nothing from elsewhere, so an image is shown by what it says it is.
function picture(image, big) {
  return el("span", { class: big ? "picture big" : "picture", role: "img", "aria-label": image.alt_text, title: image.image_url },
    el("span", { "aria-hidden": "true" }, "▨"), big ? image.alt_text : "");
}

function section(block, context) {
  const label = (block.text?.text ?? "").slice(0, 120);
  const body = el("div", { class: "section-body" });
  if (block.text) body.append(el("div", { class: "section-text" }, ...textNodes(block.text)));
  if (block.fields) body.append(el("div", { class: "fields" }, ...block.fields.map((field) => el("div", { class: "field" }, ...textNodes(field)))));
  if (!block.accessory) return body;
  const side = block.accessory.type === "image" ? picture(block.accessory) : control(block, block.accessory, { ...context, label });
  return el("div", { class: "with-accessory" }, body, el("div", { class: "accessory" }, side));
}

function input(block, context) {
  const id = freshId("input");
  const hintId = `${id}-hint`;
  const errorId = `${id}-error`;
  const labelId = `${id}-label`;
  const isGroup = ["radio_buttons", "checkboxes"].includes(block.element.type);
  const node = control(block, block.element, context, id);
  const field = node.id === id ? node : node.querySelector(`#${id}`) ?? node;
  field.setAttribute("aria-describedby", `${block.hint ? `${hintId} ` : ""}${errorId}`);
  if (isGroup || field.tagName === "SUMMARY") field.setAttribute("aria-labelledby", labelId);
  if (!block.optional && ["INPUT", "TEXTAREA", "SELECT"].includes(field.tagName)) field.setAttribute("aria-required", "true");
  if (block.element.focus_on_load) field.dataset.focusOnLoad = "true";
  return el("div", { class: "input", dataset: { inputBlock: block.block_id } },
    el(isGroup ? "span" : "label", { id: labelId, class: "input-label", for: isGroup ? undefined : id },
      ...textNodes(block.label), block.optional && el("span", { class: "optional" }, " (optional)")),
    node,
    block.hint && el("div", { class: "hint", id: hintId }, ...textNodes(block.hint)),
    el("div", { class: "input-error", id: errorId, role: "alert" }));
}

const LAYOUTS = {
  section,
  input,
  header: (block, context) => el(context.headings ?? "h3", { class: "header-block" }, ...textNodes(block.text)),
  divider: () => el("hr"),
  context: (block) => el("div", { class: "context" }, ...block.elements.map((one) =>
    one.type === "image" ? picture(one) : el("span", { class: "context-text" }, ...textNodes(one)))),
  actions: (block, context) => el("div", { class: "actions", role: "group", "aria-label": "Actions" },
    ...block.elements.map((one) => control(block, one, { ...context, label: context.label ?? "Choose" }))),
  image: (block) => el("figure", {}, block.title && el("figcaption", {}, ...textNodes(block.title)), picture(block, true)),
  rich_text: (block) => el("div", {}, ...richText(block)),
};

export function blockNodes(blocks, context) {
  return blocks.map((block) => {
    const layout = LAYOUTS[block.type];
    return el("div", { class: `block block-${block.type}`, dataset: { blockId: block.block_id } },
      layout ? layout(block, context) : el("span", { class: "muted" }, `[${block.type}]`));
  });
}
