// Knows how one message looks and how a list of them stays up to date without losing the keyboard focus.

import { avatar, el, icon } from "/static/dom.js";
import { blockNodes } from "/static/blocks.js";
import { Form } from "/static/elements.js";
import { EMOJI } from "/static/emoji.js";
import { ago, clockTime, dayOf, fullTime, mrkdwn } from "/static/mrkdwn.js";
import { linkTo, store } from "/static/store.js";
import { underWay } from "/static/toasts.js";
import { act } from "/static/wire.js";

function body(message) {
  if (!message.blocks?.length) return el("div", { class: "plain" }, ...mrkdwn(message.text));
  const form = new Form();
  const context = {
    form,
    use: (block, element, value, node) => underWay(node, () => act("click", {
      user: store.me, channel: message.channel, ts: message.ts,
      action_id: element.action_id, block_id: block.block_id, value, values: form.values(),
    })),
  };
  return el("div", { class: "blocks" }, ...blockNodes(message.blocks, context));
}

function replyBar(message) {
  if (!message.reply_count) return null;
  const count = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
  const faces = (message.reply_users ?? []).slice(0, 4).map((id) => store.users.get(id)).filter(Boolean);
  return el("a", { class: "reply-bar", href: linkTo({ channel: message.channel, thread: message.ts }) },
    ...faces.map((user) => avatar(user, "tiny")), el("span", {}, count),
    el("span", { class: "muted" }, `${ago(Number(message.latest_reply))}`));
}

function reactions(message) {
  if (!message.reactions?.length) return null;
  return el("div", { class: "reactions" }, ...message.reactions.map((one) =>
    el("span", { class: "reaction", "aria-label": `${one.name}, ${one.count}` }, EMOJI[one.name] ?? `:${one.name}:`, ` ${one.count}`)));
}

export function messageNode(message, inThread) {
  const author = store.users.get(message.user) ?? { id: message.user, real_name: message.user };
  const thread = message.thread_ts ?? message.ts;
  const classes = ["message", message.visible_to ? "ephemeral" : ""].join(" ");
  return el("article",
    {
      class: classes, tabindex: "-1", "aria-label": `${author.real_name}, ${clockTime(message.ts)}`,
      dataset: { ts: message.ts, channel: message.channel, user: message.user, ...(message.visible_to ? { ephemeral: message.visible_to } : {}) },
    },
    avatar(author, "large"),
    el("div", { class: "message-main" },
      message.visible_to && el("div", { class: "only-you" }, icon("eye"), "Only visible to you"),
      el("div", { class: "message-head" },
        el("span", { class: "author" }, author.real_name),
        message.bot_id && el("span", { class: "tag" }, "App"),
        el("a", { class: "time", href: linkTo({ channel: message.channel, thread: message.thread_ts, message: message.ts }), title: fullTime(message.ts) },
          clockTime(message.ts)),
        message.edited && el("span", { class: "muted" }, "(edited)"),
        message.subtype === "thread_broadcast" && el("span", { class: "muted" }, "also sent to the channel")),
      body(message),
      reactions(message),
      !inThread && replyBar(message)),
    !inThread && !message.visible_to && el("a",
      { class: "reply-button", href: linkTo({ channel: message.channel, thread }), "aria-label": "Reply in thread", title: "Reply in thread" },
      icon("reply")));
}

// A live list: only what changed is drawn anew, focus inside a redrawn message moves to its successor.
export class MessageList {
  constructor(node, inThread = false) {
    this.node = node;
    this.inThread = inThread;
    this.drawn = new Map();
    this.fresh = true;
  }

  clear() {
    this.fresh = true;
    this.drawn.clear();
    this.node.replaceChildren();
  }

  draw(messages) {
    const scroller = this.node;
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
    const wanted = [];
    let day = "";
    for (const message of messages) {
      const today = dayOf(message.ts);
      if (today !== day && !this.inThread) {
        day = today;
        wanted.push([`day ${today}`, today, () => el("div", { class: "day", role: "separator" }, el("span", {}, today))]);
      }
      wanted.push([message.ts, JSON.stringify(message), () => messageNode(message, this.inThread)]);
    }
    const keys = new Set(wanted.map(([key]) => key));
    for (const [key, { node }] of this.drawn) {
      if (keys.has(key)) continue;
      node.remove();
      this.drawn.delete(key);
    }
    let previous = null;
    let redrawn = false;
    for (const [key, signature, make] of wanted) {
      let entry = this.drawn.get(key);
      if (!entry || entry.signature !== signature) {
        const node = make();
        if (entry) this.replace(entry.node, node);
        redrawn = true;
        entry = { signature, node };
        this.drawn.set(key, entry);
      }
      const place = previous ? previous.nextSibling : scroller.firstChild;
      if (entry.node !== place) scroller.insertBefore(entry.node, place);
      previous = entry.node;
    }
    if (redrawn && (atEnd || this.fresh)) scroller.scrollTop = scroller.scrollHeight;
    this.fresh = false;
  }

  replace(old, node) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const same = focused?.dataset.actionId;
    old.replaceWith(node);
    if (!focused) return;
    const successor = same && node.querySelector(`[data-action-id="${CSS.escape(same)}"]`);
    (successor || node).focus({ preventScroll: true });
  }

  show(ts) {
    const found = this.drawn.get(ts)?.node;
    if (!found) return;
    found.scrollIntoView({ block: "center" });
    found.classList.remove("pointed");
    void found.offsetWidth; // restart the animation
    found.classList.add("pointed");
    found.focus({ preventScroll: true });
  }
}
