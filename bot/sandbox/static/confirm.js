// Knows how a confirmation dialog asks and answers; leaves what is confirmed to the caller.

import { el } from "/static/dom.js";
import { textNodes } from "/static/mrkdwn.js";

export function confirmed(question, opener) {
  if (!question) return Promise.resolve(true);
  const dialog = document.getElementById("confirm");
  return new Promise((resolve) => {
    let answer = false;
    const close = (value) => {
      answer = value;
      dialog.close();
    };
    dialog.replaceChildren(
      el("h2", { id: "confirm-title" }, ...textNodes(question.title)),
      el("div", { class: "confirm-text" }, ...textNodes(question.text)),
      el("div", { class: "dialog-foot" },
        el("button", { type: "button", class: "button", dataset: { confirm: "deny" }, onclick: () => close(false) }, ...textNodes(question.deny)),
        el("button", {
          type: "button", dataset: { confirm: "confirm" }, autofocus: true,
          class: `button ${question.style === "danger" ? "danger solid" : "primary"}`, onclick: () => close(true),
        }, ...textNodes(question.confirm))),
    );
    dialog.addEventListener("close", () => {
      opener?.focus?.();
      resolve(answer);
    }, { once: true });
    dialog.showModal();
  });
}
