// Knows the pane at the right: one message and its replies.

import { el, icon } from "/static/dom.js";
import { composer } from "/static/composer.js";
import { MessageList } from "/static/message.js";
import { go, messagesIn, store } from "/static/store.js";

let shown = "";
let list = null;
let pointedAt = "";

export function closeThread() {
  const { thread, channel } = store.route;
  go({ channel });
  requestAnimationFrame(() => document.querySelector(`#messages [data-ts="${CSS.escape(thread)}"]`)?.focus({ preventScroll: true }));
}

export function drawThread() {
  const pane = document.getElementById("thread");
  const { kind, channel, thread, message } = store.route;
  const parent = kind === "channel" && thread ? store.messages.get(channel)?.get(thread) : null;
  pane.hidden = !parent;
  document.getElementById("frame").classList.toggle("with-thread", Boolean(parent));
  if (!parent) {
    shown = "";
    return;
  }
  const key = `${store.me} ${channel} ${thread}`;
  if (shown !== key) {
    shown = key;
    pointedAt = "";
    const log = el("div", { class: "messages", role: "log", "aria-label": "Thread", tabindex: "0" });
    list = new MessageList(log, true);
    pane.replaceChildren(
      el("div", { class: "place-head" },
        el("div", { class: "place-title" }, el("h2", {}, "Thread")),
        el("button", { type: "button", class: "icon-button", "aria-label": "Close thread", onclick: closeThread }, icon("close"))),
      log,
      composer({ label: "Reply in thread", channel, thread }));
    const came = document.activeElement?.closest?.(".reply-bar, .reply-button");
    if (came && !message) pane.querySelector("textarea").focus();
  }
  const replies = messagesIn(channel).filter((one) => one.ts === thread || one.thread_ts === thread);
  list.draw(replies);
  if (message && pointedAt !== message && list.drawn.has(message)) {
    pointedAt = message;
    list.show(message);
  }
}
