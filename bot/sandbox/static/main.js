// Knows how the page's parts are put together and started.

import { icon } from "/static/dom.js";
import { drawModal } from "/static/modal.js";
import { drawPeople } from "/static/people.js";
import { drawPlace } from "/static/place.js";
import { drawRail } from "/static/rail.js";
import { changed, load, onChange, onEvent, readHash, store } from "/static/store.js";
import { closeThread, drawThread } from "/static/thread.js";
import { toast } from "/static/toasts.js";
import { drawWeather, openWeather, troubleWords } from "/static/weather.js";
import { act } from "/static/wire.js";

const menu = document.getElementById("menu");
const weatherButton = document.getElementById("weather-button");
const status = document.getElementById("status");
menu.append(icon("menu"));
weatherButton.append(icon("weather"));

function showMenu(open) {
  document.body.classList.toggle("menu-open", open);
  menu.setAttribute("aria-expanded", String(open));
}

function drawTop() {
  const troubles = troubleWords();
  const [kind, words] = !store.online ? ["bad", "The sandbox is not running"]
    : troubles.length ? ["care", troubles.join(", ")]
    : store.connections || store.app.mode === "http" ? ["good", `${store.app.name} is connected`]
    : ["bad", `${store.app.name} is not connected`];
  if (status.textContent !== words) status.textContent = words;
  status.className = `status ${kind}`;
  document.getElementById("team").textContent = store.team.name;
  const { kind: where, channel } = store.route;
  const name = where === "home" ? "Home" : store.channels.get(channel)?.name ?? store.app.name;
  document.title = `${name} · ${store.team.name}`;
}

for (const draw of [drawPlace, drawThread, drawTop, drawPeople, drawRail, drawModal, drawWeather]) onChange(draw);

onEvent("route", (route, before) => {
  showMenu(false);
  const arrived = route.kind === "home" && (before.kind !== "home" || before.me !== store.me);
  if (arrived) act("open_home", { user: store.me });
});
onEvent("app_error", (doc) => {
  if (doc.user === store.me) toast(`The app's answer was refused: ${doc.detail}`);
});

window.addEventListener("hashchange", readHash);
menu.addEventListener("click", () => showMenu(!document.body.classList.contains("menu-open")));
weatherButton.addEventListener("click", openWeather);
document.addEventListener("visibilitychange", changed);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (document.body.classList.contains("menu-open")) {
    showMenu(false);
    menu.focus();
  } else if (store.route.thread) closeThread();
});

async function start() {
  try {
    await load();
  } catch {
    status.textContent = "The sandbox is not running";
    status.className = "status bad";
    setTimeout(start, 1000);
  }
}

start();
