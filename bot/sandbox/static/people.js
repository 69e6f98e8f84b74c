// Knows who you can be: the row of people at the top, one click to become any of them.

import { arrowKeys, avatar, el } from "/static/dom.js";
import { callsFor, people, store, switchTo } from "/static/store.js";

let signature = "";
let wired = false;

export function standing(user) {
  if (user.deleted) return "deactivated";
  if (user.is_stranger) return "other company";
  if (user.is_ultra_restricted || user.is_restricted) return "guest";
  return "";
}

export function drawPeople() {
  const strip = document.getElementById("people");
  if (!wired) {
    arrowKeys(strip, ".person");
    wired = true;
  }
  const everyone = people();
  const calls = Object.fromEntries(everyone.map((user) => [user.id, user.id === store.me ? 0 : callsFor(user.id)]));
  const now = JSON.stringify([store.me, everyone, calls]);
  if (now === signature) return;
  signature = now;
  const focused = strip.contains(document.activeElement);
  strip.replaceChildren(el("span", { class: "you-are" }, "You are"), ...everyone.map((user) => {
    const mine = user.id === store.me;
    const note = standing(user);
    const waiting = calls[user.id];
    const name = [user.real_name, user.title, note, waiting ? `${waiting} waiting` : ""].filter(Boolean).join(", ");
    return el("button",
      {
        type: "button", class: `person${mine ? " current" : ""}${note ? ` is-${note.split(" ")[0]}` : ""}`,
        "aria-pressed": String(mine), "aria-label": mine ? `You are ${name}` : `Become ${name}`, title: name,
        dataset: { user: user.id }, onclick: () => switchTo(user.id),
      },
      avatar(user),
      el("span", { class: "person-text" }, el("strong", {}, user.real_name), el("small", {}, note || user.title)),
      waiting ? el("span", { class: "call-dot", "aria-hidden": "true" }, String(waiting)) : null);
  }));
  const current = strip.querySelector(".current");
  current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (focused) current?.focus();
}
