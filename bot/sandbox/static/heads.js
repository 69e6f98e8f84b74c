// Knows the heading over the app's two tabs, and how an empty place looks.

import { avatar, el } from "/static/dom.js";
import { dmId, linkTo, store } from "/static/store.js";

function tabs(current) {
  const tab = (name, href, is) => el("a", { class: "tab", href, "aria-current": is ? "page" : undefined }, name);
  return el("div", { class: "tabs" },
    tab("Home", linkTo({ kind: "home" }), current === "home"),
    tab("Messages", linkTo({ channel: dmId() }), current === "messages"));
}

export function appHead(current) {
  return el("div", { class: "place-head" },
    avatar(store.users.get(store.app.user), "large"),
    el("div", { class: "place-title" }, el("h1", {}, store.app.name), tabs(current)));
}

export function emptyNote(...lines) {
  return el("div", { class: "empty" },
    el("div", { class: "empty-art", "aria-hidden": "true" }, el("span"), el("span"), el("span")), ...lines);
}
