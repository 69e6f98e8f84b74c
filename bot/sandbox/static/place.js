// Knows the middle of the page: a channel or direct message with its composer, or the app's Home.

import { el, icon } from "/static/dom.js";
import { composer } from "/static/composer.js";
import { appHead, emptyNote } from "/static/heads.js";
import { drawHome } from "/static/home.js";
import { MessageList } from "/static/message.js";
import { mrkdwn } from "/static/mrkdwn.js";
import { dmId, isReply, markRead, messagesIn, store } from "/static/store.js";

let shown = "";
let list = null;
let counted = null;
let pointedAt = "";

function channelHead(channel) {
  counted = el("span", { class: "muted" });
  return el("div", { class: "place-head" },
    el("div", { class: "place-title" },
      el("h1", {}, icon(channel.is_private ? "lock" : "hash"), channel.name),
      el("p", { class: "muted topic" }, channel.topic || "", channel.topic ? " · " : "", counted,
        channel.is_shared ? " · shared with another company" : "")));
}

function emptyText(channel) {
  return channel?.dm_with || !channel
    ? `${store.app.name} will write to you here when something is yours alone.`
    : store.emptyText;
}

export function drawPlace() {
  const { kind, channel: id, thread } = store.route;
  const place = document.getElementById("place");
  if (kind === "home") {
    shown = `home ${store.me}`;
    drawHome(place);
    return;
  }
  const channel = store.channels.get(id);
  const key = `${store.me} ${id}`;
  if (shown !== key) {
    shown = key;
    pointedAt = "";
    const isDm = id === dmId();
    const name = isDm ? store.app.name : `#${channel.name}`;
    place.setAttribute("aria-label", name);
    const log = el("div", { class: "messages", id: "messages", role: "log", "aria-label": `Messages in ${name}`, tabindex: "0" });
    list = new MessageList(log);
    place.replaceChildren(
      isDm ? appHead("messages") : channelHead(channel), log,
      composer({ label: `Message ${name}`, channel: id, thread: "" }));
  }
  if (counted && channel && !channel.dm_with) {
    const people = channel.members.filter((member) => store.users.has(member)).length;
    counted.replaceChildren(`${people} members`);
  }
  const messages = messagesIn(id).filter(
    (message) => !isReply(message) || message.subtype === "thread_broadcast",
  );
  const log = document.getElementById("messages");
  if (!messages.length) {
    list.clear();
    log.replaceChildren(emptyNote(el("p", {}, ...mrkdwn(emptyText(channel)))));
  } else {
    log.querySelector(":scope > .empty")?.remove();
    list.draw(messages);
  }
  if (document.visibilityState === "visible") markRead(id);
  const { message } = store.route;
  if (message && pointedAt !== message && !thread && list.drawn.has(message)) {
    pointedAt = message;
    list.show(message);
  }
}
