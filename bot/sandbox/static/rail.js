// Knows the left rail: the app's Home, channels and direct messages with what is unread.

import { el, avatar, icon } from "/static/dom.js";
import { dmId, linkTo, store, unreadIn, visibleChannels } from "/static/store.js";

let signature = "";

function row(href, current, sign, name, unread, dataset) {
  return el("li", {}, el("a", { class: `rail-row${unread ? " unread" : ""}`, href, "aria-current": current ? "page" : undefined, dataset },
    sign, el("span", { class: "rail-name" }, name),
    unread ? el("span", { class: "badge" }, el("span", { "aria-hidden": "true" }, String(unread)), el("span", { class: "hidden-text" }, ` ${unread} unread`)) : null));
}

export function drawRail() {
  const { kind, channel: here } = store.route;
  const channels = visibleChannels();
  const unread = Object.fromEntries([...channels.map((one) => one.id), dmId()].map((id) => [id, unreadIn(id)]));
  const now = JSON.stringify([store.me, kind, here, channels, unread, store.app, store.users.get(store.me)]);
  if (now === signature) return;
  signature = now;
  const rail = document.getElementById("rail");
  const focused = rail.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const bot = store.users.get(store.app.user);
  rail.replaceChildren(
    el("h2", { class: "rail-title" }, "Apps"),
    el("ul", {}, row(linkTo({ kind: "home" }), kind === "home", icon("home"), `${store.app.name} Home`, 0, { rail: "home" })),
    el("h2", { class: "rail-title" }, "Channels"),
    el("ul", {}, ...channels.map((one) =>
      row(linkTo({ channel: one.id }), kind === "channel" && here === one.id, icon(one.is_private ? "lock" : "hash"), one.name, unread[one.id], { rail: one.id }))),
    ...(channels.length ? [] : [el("p", { class: "rail-note" }, "You are in no channel here.")]),
    el("h2", { class: "rail-title" }, "Direct messages"),
    el("ul", {}, row(linkTo({ channel: dmId() }), kind === "channel" && here === dmId(), avatar(bot, "tiny"), store.app.name, unread[dmId()], { rail: dmId() })),
  );
  if (focused) rail.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
}
