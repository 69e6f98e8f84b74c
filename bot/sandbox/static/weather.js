// Knows the drawer for trying bad weather: troubles to switch on, who you are made of, and the call log.

import { el, icon } from "/static/dom.js";
import { clockTime } from "/static/mrkdwn.js";
import { me, store } from "/static/store.js";
import { changeUser, readCalls, setFault } from "/static/wire.js";

const drawer = document.getElementById("weather");

export function troubleWords() {
  const { down, slow, ratelimit, drop_after_receipt: drop, duplicate_delivery: twice, error } = store.faults;
  return [
    down && "Slack is down",
    slow && `${slow} s slow`,
    ratelimit?.length && "429",
    drop?.length && "drop after receipt",
    twice && "delivered twice",
    error?.length && "errors",
  ].filter(Boolean);
}

const once = (label, note, work, dataset) =>
  el("div", { class: "trouble" },
    el("div", {}, el("strong", {}, label), el("p", { class: "muted" }, note)),
    el("button", { type: "button", class: "button", onclick: work, dataset, "aria-label": label }, "Do it"));

function toggle(label, note, isOn, work, dataset) {
  const box = el("input", { type: "checkbox", role: "switch", class: "switch", checked: isOn, dataset });
  box.addEventListener("change", () => work(box.checked));
  return el("label", { class: "trouble" }, el("span", {}, el("strong", {}, label), el("span", { class: "muted" }, note)), box);
}

function callRows() {
  const rows = store.calls.slice(-40).reverse();
  if (!rows.length) return [el("li", { class: "muted" }, "No calls yet.")];
  return rows.map((call) => el("li", { class: call.ok ? "" : "bad" },
    el("time", {}, clockTime(call.at)), el("code", {}, call.method),
    el("span", { class: "outcome" }, call.dropped ? "answer dropped" : call.ok ? "ok" : call.error)));
}

function draw() {
  const user = me();
  const { faults } = store;
  const keep = drawer.querySelector(".drawer-body")?.scrollTop ?? 0;
  const focused = drawer.contains(document.activeElement) ? document.activeElement.dataset.trouble : "";
  const clearThen = (then) => setFault("clear").then(then);
  const slow = el("input", { type: "range", min: "0", max: "6", step: "1", value: String(faults.slow), "aria-label": "Seconds of delay", dataset: { trouble: "slow" } });
  slow.addEventListener("change", () => setFault("slow", { seconds: Number(slow.value) }));
  const flag = (name, label, note) => toggle(label, note, user[name], (on) => changeUser(user.id, { [name]: on }), { trouble: `flag-${name}` });
  drawer.replaceChildren(
    el("div", { class: "place-head" },
      el("div", { class: "place-title" }, el("h2", { id: "weather-title" }, "Bad weather"), el("p", { class: "muted" }, "See how the app takes it.")),
      el("button", { type: "button", class: "icon-button", "aria-label": "Close", dataset: { trouble: "close" }, onclick: () => drawer.close() }, icon("close"))),
    el("div", { class: "drawer-body" },
      el("section", { "aria-label": "Troubles" },
        toggle("Slack is down", "Calls are cut, sockets are closed.", Boolean(faults.down),
          (on) => (on ? setFault("down", { mode: "refused" }) : clearThen(() => {})), { trouble: "down" }),
        el("div", { class: "trouble" }, el("div", {}, el("strong", {}, `Slow: ${faults.slow} s`), el("p", { class: "muted" }, "Every answer and delivery takes longer.")), slow),
        once("Rate limit", "The next 3 calls get 429, retry after 2 s.", () => setFault("ratelimit", { method: "*", retry_after: 2, count: 3 }), { trouble: "ratelimit" }),
        once("Drop after receipt", "The next post takes effect, its answer is lost.", () => setFault("drop_after_receipt", { method: "chat.postMessage" }), { trouble: "drop" }),
        once("Deliver twice", "The next click or event arrives twice.", () => setFault("duplicate_delivery", { count: 1 }), { trouble: "twice" }),
        once("Reconnect", "Sockets are asked to connect anew.", () => setFault("disconnect", { reason: "refresh_requested" }), { trouble: "reconnect" }),
        el("button", { type: "button", class: "button primary", dataset: { trouble: "clear" }, onclick: () => setFault("clear"), disabled: !troubleWords().length }, "Back to good weather")),
      el("section", { "aria-label": "You" }, el("h3", {}, `You, ${user.real_name}`),
        flag("deleted", "Deactivated", "Left the company."),
        flag("is_restricted", "Guest", "Sees only some channels."),
        flag("is_stranger", "Other company", "Here through a shared channel.")),
      el("section", { "aria-label": "Calls" }, el("h3", {}, "Calls to the Web API"), el("ul", { class: "calls" }, ...callRows()))));
  drawer.querySelector(".drawer-body").scrollTop = keep;
  if (focused) drawer.querySelector(`[data-trouble="${CSS.escape(focused)}"]`)?.focus();
}

let signature = "";

export function drawWeather() {
  if (!drawer.open) return;
  const now = JSON.stringify([store.faults, store.calls.length, store.calls.at(-1), me()]);
  if (now === signature) return;
  signature = now;
  draw();
}

export async function openWeather() {
  store.calls = (await readCalls()).slice(-80);
  signature = "";
  draw();
  drawer.showModal();
}

drawer.addEventListener("click", (event) => {
  if (event.target === drawer) drawer.close(); // a click beside it
});
